"""AO formats: signed assignments, pushed messages, export and import of histories."""
