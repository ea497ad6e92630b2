"""What whoever runs an installation needs: backups, a look at how things stand, figures for monitoring."""
