-- What else a validation gave, by name: coverage of what is held out, rate and distortion.

ALTER TABLE metrics ADD COLUMN figures JSON;  -- none in runs of before
