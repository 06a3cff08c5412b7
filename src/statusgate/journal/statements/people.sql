-- part: person
p.person_no, p.phone, p.lid, p.name, p.contact_name, p.book_name, p.known_no

-- name: people_by_address
-- at once
-- People with one of the phones or one of the LIDs.
SELECT p.person_no, p.phone, p.lid
FROM json_each(:phones) AS item
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.phone = item.value ->> 0
)
UNION ALL
SELECT p.person_no, p.phone, p.lid
FROM json_each(:lids) AS item
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.lid = item.value ->> 0
);

-- name: add_people
INSERT INTO people (instance_id, person_no, phone, lid, name, contact_name)
SELECT :instance_id, CAST(item.value ->> 0 AS INTEGER), item.value ->> 1, item.value ->> 2, '', ''
FROM json_each(:people) AS item;

-- name: people_by_number
-- at once
SELECT
-- use: person
FROM json_each(:numbers) AS item
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.person_no = CAST(item.value ->> 0 AS INTEGER)
);

-- name: last_known_no
SELECT coalesce(max(known_no), 0) AS known_no FROM people
WHERE instance_id = :instance_id AND known_no IS NOT NULL;

-- name: save_people
-- Everyone in the list exists; UPDATE … FROM would scan all people for each of them.
INSERT INTO people (instance_id, person_no, name, contact_name, book_name, known_no)
SELECT :instance_id, CAST(item.value ->> 0 AS INTEGER), item.value ->> 1, item.value ->> 2,
       item.value ->> 3, CAST(item.value ->> 4 AS INTEGER)
FROM json_each(:people) AS item
WHERE true
ON CONFLICT (instance_id, person_no) DO UPDATE SET
    name = excluded.name, contact_name = excluded.contact_name,
    book_name = excluded.book_name, known_no = excluded.known_no;

-- name: set_address
UPDATE people SET phone = :phone, lid = :lid
WHERE instance_id = :instance_id AND person_no = :person_no;

-- name: contacts
-- at once
SELECT
-- use: person
FROM people p
WHERE p.instance_id = :instance_id AND p.known_no IS NOT NULL
ORDER BY p.known_no, p.person_no;

-- name: forget_person
DELETE FROM people WHERE instance_id = :instance_id AND person_no = :person_no;
