-- title: Where a burst of sign-ups came from
-- description: Of the last 30 days, the one with the most sign-ups, city by city. A single city far above its usual day is a campaign that worked, or an abuse to look into.

WITH sign_up AS (
    SELECT
        city,
        country,
        context_campaign_name AS campaign,
        timestamp::DATE AS day
    FROM analytics.signed_up
    WHERE timestamp >= current_date - 30
        AND timestamp < current_date
),

busiest AS (
    SELECT day
    FROM sign_up
    GROUP BY day
    ORDER BY count(*) DESC, day DESC
    LIMIT 1
)

SELECT
    city,
    count(*) FILTER (WHERE sign_up.day = busiest.day) AS sign_ups,
    -- The other 29 days, averaged.
    round(count(*) FILTER (WHERE sign_up.day <> busiest.day) / 29, 1) AS on_a_usual_day,
    country,
    string_agg(DISTINCT campaign, ', ' ORDER BY campaign)
        FILTER (WHERE sign_up.day = busiest.day) AS campaigns,
    strftime(busiest.day, '%Y-%m-%d') AS burst_on
FROM sign_up, busiest
GROUP BY city, country, busiest.day
HAVING sign_ups > 0
ORDER BY sign_ups DESC, city
