-- Points the day at its new version: from here on readers see it, whole.
ALTER TABLE ${table} PARTITION (dt = '${day}') SET LOCATION '${location}'
