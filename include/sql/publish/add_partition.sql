-- Registers the day's partition of a table at a location, unless it is registered.
ALTER TABLE ${table} ADD IF NOT EXISTS PARTITION (dt = '${day}') LOCATION '${location}'
