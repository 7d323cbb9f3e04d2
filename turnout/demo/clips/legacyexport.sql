-- title: Who still uses the old export
-- description: Everybody who used the export we want to switch off in the last 30 days, with the ids a mailing needs. The addresses themselves never left the product's own database.

SELECT
    company.name AS company,
    membership.role_in_company AS role,
    count(*) AS times_used,
    strftime(max(legacy.timestamp), '%Y-%m-%d') AS last_used,
    membership.person_uuid,
    membership.company_uuid
FROM analytics.legacy_export_used AS legacy
JOIN userdata.companyperson AS membership
    ON membership.person_uuid = legacy.user_id
    AND membership.company_uuid = legacy.context_group_id
JOIN userdata.company ON company.uuid = membership.company_uuid
-- Complete days only, so that the answer stays the same all day long.
WHERE legacy.timestamp >= current_date - 30
    AND legacy.timestamp < current_date
GROUP BY ALL
ORDER BY times_used DESC, company, membership.person_uuid, membership.company_uuid
