"""The desktop around us: a key that is heard from any application, text that arrives in the focused window."""
