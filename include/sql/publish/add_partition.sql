-- Makes the day known to the table; nothing happens when it is known already.
ALTER TABLE ${table} ADD IF NOT EXISTS PARTITION (dt = '${day}') LOCATION '${location}'
