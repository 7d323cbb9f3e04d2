-- title: What our largest customer uses
-- description: What the people of the company with the most members did in the last 30 days. For another company, name it in the first lines.

WITH customer AS (
    SELECT company.uuid
    FROM userdata.company
    JOIN userdata.companyperson AS membership ON membership.company_uuid = company.uuid
    WHERE company.closed_at IS NULL  -- or: WHERE company.name = '…'
    GROUP BY company.uuid
    ORDER BY count(*) DESC, company.uuid
    LIMIT 1
)

SELECT
    tracks.event_text AS feature,
    count(*) AS times_used,
    count(DISTINCT tracks.user_id) AS people
FROM analytics.tracks
JOIN customer ON customer.uuid = tracks.context_group_id
WHERE tracks.timestamp >= current_date - 30
    AND tracks.timestamp < current_date
GROUP BY feature
ORDER BY times_used DESC, feature
