"""From a comment to a draft: triage, knowledge, prompts, drafters, guards. No SDK and no database in here."""
