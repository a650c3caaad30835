"""The REST surface: thin endpoints over the record's inbox and the live side, problem documents for every error."""
