-- Switches the day's partition of a table to a new version, which readers see from then on.
ALTER TABLE ${table} PARTITION (dt = '${day}') SET LOCATION '${location}'
