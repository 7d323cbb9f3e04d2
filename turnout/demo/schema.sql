-- The pretend company's product database, as its developers would have made it.

CREATE TYPE plan AS ENUM ('free', 'team', 'pro', 'enterprise');
CREATE TYPE member_role AS ENUM ('admin', 'member', 'viewer');

CREATE TABLE person (
    uuid        uuid PRIMARY KEY,
    email       text NOT NULL UNIQUE,
    full_name   text NOT NULL,
    city        text NOT NULL,
    country     char(2) NOT NULL,
    time_zone   text NOT NULL,
    created_at  timestamptz NOT NULL,
    settings    jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE company (
    uuid        uuid PRIMARY KEY,
    name        text NOT NULL,
    plan        plan NOT NULL,
    seats       integer NOT NULL CHECK (seats > 0),
    industry    text NOT NULL,
    country     char(2) NOT NULL,
    time_zone   text NOT NULL,
    created_at  timestamptz NOT NULL,
    closed_at   timestamptz
);

CREATE TABLE companyperson (
    person_uuid      uuid NOT NULL REFERENCES person,
    company_uuid     uuid NOT NULL REFERENCES company,
    role_in_company  member_role NOT NULL,
    joined_at        timestamptz NOT NULL,
    PRIMARY KEY (person_uuid, company_uuid)
);
CREATE INDEX ON companyperson (company_uuid);

CREATE TABLE subscription (
    uuid           uuid PRIMARY KEY,
    company_uuid   uuid NOT NULL REFERENCES company,
    plan           plan NOT NULL,
    is_trial       boolean NOT NULL,
    seats          integer NOT NULL CHECK (seats > 0),
    monthly_price  numeric(10, 2) NOT NULL,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz
);
CREATE INDEX ON subscription (company_uuid);

CREATE TABLE invoice (
    uuid               uuid PRIMARY KEY,
    subscription_uuid  uuid NOT NULL REFERENCES subscription,
    company_uuid       uuid NOT NULL REFERENCES company,
    amount             numeric(10, 2) NOT NULL,
    issued_at          timestamptz NOT NULL,
    paid_at            timestamptz
);
CREATE INDEX ON invoice (company_uuid);
