-- From schema 2 to 3: the source file of a function. This step stays as it is, whatever becomes of schema.sql.

ALTER TABLE site ADD COLUMN source TEXT;
