"""What happens when something happens: plain functions, one module per capability."""
