-- title: Sign-ups per month
-- description: People who joined in each of the last twelve complete months.

SELECT
    date_trunc('month', created_at)::DATE AS month,
    count(*) AS sign_ups
FROM userdata.person
WHERE created_at >= date_trunc('month', current_date) - INTERVAL 12 MONTH
    AND created_at < date_trunc('month', current_date)
GROUP BY month
ORDER BY month
