-- name: people_by_address
-- at once: person_no, phone, lid
-- Everybody who has one of the phones or one of the LIDs.
SELECT p.person_no, p.phone, p.lid
FROM json_each(:phones) AS told
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.phone = told.value ->> 0
)
UNION ALL
SELECT p.person_no, p.phone, p.lid
FROM json_each(:lids) AS told
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.lid = told.value ->> 0
);

-- name: add_people
INSERT INTO people (instance_id, person_no, phone, lid, name, contact_name)
SELECT :instance_id, CAST(told.value ->> 0 AS INTEGER), told.value ->> 1, told.value ->> 2, '', ''
FROM json_each(:people) AS told;

-- name: people_by_number
-- at once: person_no, phone, lid, name, contact_name, book_name, known_no
SELECT p.person_no, p.phone, p.lid, p.name, p.contact_name, p.book_name, p.known_no
FROM json_each(:numbers) AS told
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.person_no = CAST(told.value ->> 0 AS INTEGER)
);

-- name: last_known_no
SELECT coalesce(max(known_no), 0) FROM people
WHERE instance_id = :instance_id AND known_no IS NOT NULL;

-- name: save_people
-- Everybody in the list is there: as an UPDATE … FROM it would look through all people for each.
INSERT INTO people (instance_id, person_no, name, contact_name, book_name, known_no)
SELECT :instance_id, CAST(told.value ->> 0 AS INTEGER), told.value ->> 1, told.value ->> 2,
       told.value ->> 3, CAST(told.value ->> 4 AS INTEGER)
FROM json_each(:people) AS told
WHERE true
ON CONFLICT (instance_id, person_no) DO UPDATE SET
    name = excluded.name, contact_name = excluded.contact_name,
    book_name = excluded.book_name, known_no = excluded.known_no;

-- name: set_address
UPDATE people SET phone = :phone, lid = :lid
WHERE instance_id = :instance_id AND person_no = :person_no;

-- name: contacts
-- at once: person_no, phone, lid, name, contact_name, book_name, known_no
SELECT person_no, phone, lid, name, contact_name, book_name, known_no
FROM people
WHERE instance_id = :instance_id AND known_no IS NOT NULL
ORDER BY known_no, person_no;

-- name: forget_person
DELETE FROM people WHERE instance_id = :instance_id AND person_no = :person_no;
