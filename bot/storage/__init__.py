"""Tables, repositories, units of work, migrations. The database is the truth."""
