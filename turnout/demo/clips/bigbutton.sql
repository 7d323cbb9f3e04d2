-- title: Companies whose people pressed the big button
-- description: One row per press: events and account data, joined in one query. The button was a bet; these companies took it.

SELECT company_uuid
FROM userdata.companyperson AS userdata
INNER JOIN analytics.pressed_big_button AS analytics
ON userdata.person_uuid = analytics.user_id
