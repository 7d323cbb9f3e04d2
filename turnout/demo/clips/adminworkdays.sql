-- title: An administrator came every working day last month
-- description: Companies that were customers for the whole of last month and in which some administrator, not always the same one, did something on each day from Monday to Friday, in the company's own time zone.

WITH month AS (
    -- On the first of a month the last one is not over yet everywhere; hence yesterday.
    SELECT
        (date_trunc('month', current_date - 1) - INTERVAL 1 MONTH)::DATE AS first_day,
        date_trunc('month', current_date - 1)::DATE AS next_first_day
),

working_day AS (
    SELECT range::DATE AS day
    FROM month, range(month.first_day, month.next_first_day, INTERVAL 1 DAY)
    WHERE isodow(range) <= 5
),

customer AS (
    SELECT company.*
    FROM userdata.company, month
    WHERE (created_at AT TIME ZONE 'UTC' AT TIME ZONE time_zone)::DATE < month.first_day
        AND (
            closed_at IS NULL
            OR (closed_at AT TIME ZONE 'UTC' AT TIME ZONE time_zone)::DATE >= month.next_first_day
        )
),

visit AS (
    SELECT
        customer.uuid AS company_uuid,
        membership.person_uuid,
        (tracks.timestamp AT TIME ZONE 'UTC' AT TIME ZONE customer.time_zone)::DATE AS day
    FROM analytics.tracks
    JOIN userdata.companyperson AS membership
        ON membership.person_uuid = tracks.user_id
        AND membership.company_uuid = tracks.context_group_id
    JOIN customer ON customer.uuid = membership.company_uuid
    WHERE membership.role_in_company = 'admin'
)

SELECT
    customer.name AS company,
    customer.plan,
    count(DISTINCT visit.person_uuid) AS administrators,
    count(DISTINCT visit.day) AS working_days
FROM customer
JOIN visit ON visit.company_uuid = customer.uuid
JOIN working_day ON working_day.day = visit.day
GROUP BY customer.uuid, customer.name, customer.plan
-- Every one of them:
HAVING count(DISTINCT visit.day) = (SELECT count(*) FROM working_day)
ORDER BY administrators DESC, company, customer.uuid
