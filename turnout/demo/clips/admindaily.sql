-- title: Companies used by an administrator, day by day
-- description: Of all companies that were customers on a day, the share in which at least one administrator did something. A day is the company's own day, in its time zone; the last eight weeks.

WITH calendar AS (
    -- Yesterday is not over yet everywhere, so the last day is the one before.
    SELECT range::DATE AS day
    FROM range(current_date - 57, current_date - 1, INTERVAL 1 DAY)
),

customer AS (
    -- Each company with its first and last day, on its own clock.
    SELECT
        uuid,
        time_zone,
        (created_at AT TIME ZONE 'UTC' AT TIME ZONE time_zone)::DATE AS first_day,
        (closed_at AT TIME ZONE 'UTC' AT TIME ZONE time_zone)::DATE AS last_day
    FROM userdata.company
),

visit AS (
    -- One row per company and day on which an administrator of it did something.
    SELECT DISTINCT
        customer.uuid AS company_uuid,
        (tracks.timestamp AT TIME ZONE 'UTC' AT TIME ZONE customer.time_zone)::DATE AS day
    FROM analytics.tracks
    JOIN userdata.companyperson AS membership
        ON membership.person_uuid = tracks.user_id
        AND membership.company_uuid = tracks.context_group_id
    JOIN customer ON customer.uuid = membership.company_uuid
    WHERE membership.role_in_company = 'admin'
)

SELECT
    calendar.day,
    round(100.0 * count(visit.company_uuid) / count(*), 1) AS percent_of_companies
FROM calendar
JOIN customer
    ON customer.first_day <= calendar.day
    AND (customer.last_day IS NULL OR customer.last_day >= calendar.day)
LEFT JOIN visit
    ON visit.company_uuid = customer.uuid
    AND visit.day = calendar.day
GROUP BY calendar.day
ORDER BY calendar.day
