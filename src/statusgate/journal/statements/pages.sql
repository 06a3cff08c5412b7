-- name: posted
-- at once
-- What WhatsApp did not acknowledge is published all the same if somebody has got it.
SELECT s.posted_ms / :quarter_ms AS quarter, count(*) AS posted,
       sum(s.recipients) AS recipients, sum(s.delivered) AS delivered, sum(s.read) AS read,
       sum(s.reactions) AS reactions, sum(s.replies) AS replies
FROM statuses s
WHERE s.instance_id = :instance_id AND s.outgoing = 1
    AND s.posted_ms >= :since_ms AND s.posted_ms < :before_ms
    AND (s.sent_ms IS NOT NULL OR s.reached > 0)
GROUP BY quarter;

-- name: viewers
-- Rows are ordered by time alone; names are looked up for those of the page.
SELECT chosen.person_no, chosen.delivered_ms, chosen.read_ms, chosen.reacted_ms,
       chosen.reaction, chosen.refused, p.phone, p.lid, p.name,
       coalesce(p.book_name, p.contact_name) AS contact_name
FROM (
    SELECT * FROM (
        SELECT person_no, delivered_ms, read_ms, reacted_ms, reaction, refused,
               CASE WHEN read_ms IS NOT NULL THEN 4 WHEN delivered_ms IS NOT NULL THEN 3
                    WHEN refused IS NOT NULL THEN 1 ELSE CAST(:base AS INTEGER) END AS progress,
               coalesce(read_ms, delivered_ms, :base_ms) AS at_ms
        FROM receipts
        WHERE instance_id = :instance_id AND status_no = :status_no
    ) AS one
    WHERE progress IN (
            SELECT CAST(item.value ->> 0 AS INTEGER) FROM json_each(:shown) AS item
        )
        AND at_ms <= :from_ms AND (at_ms < :from_ms OR person_no > :after_no)
    ORDER BY at_ms DESC, person_no
    LIMIT :limit
) AS chosen
CROSS JOIN people p ON (
    p.instance_id = :instance_id AND p.person_no = chosen.person_no
)
ORDER BY chosen.at_ms DESC, chosen.person_no;

-- name: newest_replies
SELECT CAST(item.value ->> 0 AS INTEGER) AS person_no, (
    SELECT max(r.at_ms) FROM replies r
    WHERE r.instance_id = :instance_id AND r.wire_id = :wire_id
        AND r.person_no = CAST(item.value ->> 0 AS INTEGER)
) AS replied_ms
FROM json_each(:numbers) AS item;

-- part: a_page
    AND s.posted_ms >= :since_ms AND s.posted_ms <= :until_ms
    AND (s.posted_ms < :until_ms OR s.status_no < :before_no)
    AND (:contacts_only = 0 OR coalesce(p.book_name, p.contact_name, '') <> '')
    AND (:kind = 0 OR s.kind = :kind)
    AND (:progress < 0 OR :progress = CASE
        WHEN s.reached > 0 THEN s.reached WHEN s.sent_ms IS NOT NULL THEN 2
        WHEN s.failed_ms IS NOT NULL THEN 1 ELSE 0 END)
ORDER BY s.posted_ms DESC, s.status_no DESC
LIMIT :limit

-- name: page_of_statuses
-- use: listed_status
WHERE s.instance_id = :instance_id AND s.outgoing = :outgoing
-- use: a_page
;

-- name: page_of_author
-- use: listed_status
WHERE s.instance_id = :instance_id AND s.author_no = :author_no AND s.author_no <> 0
-- use: a_page
;

-- name: page_of_queue
-- What the engine has already is not listed, nor what is no status.
-- use: outgoing_item
WHERE o.instance_id = :instance_id AND o.phase <> 3
    AND (o.queue_no IS NULL OR o.status_no IS NOT NULL)
    AND (coalesce(o.queue_no, :last_no), coalesce(o.send_at_ms, 0), o.accepted_ms, o.status_id)
        > (:after_no, :after_ms, :after_accepted_ms, :after_id)
    AND coalesce(o.send_at_ms, o.accepted_ms) >= :since_ms
    AND coalesce(o.send_at_ms, o.accepted_ms) < :before_ms
    AND (:kind = 0 OR o.kind = :kind)
ORDER BY coalesce(o.queue_no, :last_no), coalesce(o.send_at_ms, 0), o.accepted_ms, o.status_id
LIMIT :limit;

-- name: publications
-- at once
SELECT u.status_no, u.accepted_ms, u.send_at_ms, u.file_name, u.requested, u.resolved
FROM json_each(:status_nos) AS item
CROSS JOIN publications u ON (
    u.instance_id = :instance_id AND u.status_no = CAST(item.value ->> 0 AS INTEGER)
);
