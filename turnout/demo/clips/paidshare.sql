-- title: Companies on a paid plan
-- description: The share of our customers that pay today. A trial is not paying yet, and a closed account is no customer any more.

SELECT
    -- Of no company at all there is no share: NULL, not nought.
    round(100.0 * count(subscription.uuid) / nullif(count(*), 0), 1) AS percent_paying,
    count(subscription.uuid) AS paying,
    count(*) AS companies
FROM userdata.company
-- The subscription in force, if there is one and it costs something.
LEFT JOIN userdata.subscription
    ON subscription.company_uuid = company.uuid
    AND subscription.ended_at IS NULL
    AND NOT subscription.is_trial
WHERE company.closed_at IS NULL
