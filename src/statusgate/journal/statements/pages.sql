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
