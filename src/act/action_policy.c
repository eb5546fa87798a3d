/* An action's policy: see action_policy.h.  Layer act; pure. */
#include "action_policy.h"
#include <string.h>

enum { FIRST_MS = 1000, DEADLINE_MS = 24 * 3600 * 1000, TIMEOUT_MS = 15000, DAY_MS = 24 * 3600 * 1000 };

struct common { const char *kind, *description, *cooldown, *timeout; bool enabled, dry_run; json_t *rate_limit, *blast_radius, *approval, *active, *retry; };
const struct su_field action_common_fields[] = {
    SU_FIELD(struct common, kind, SU_FIELD_TEXT, .help = "webhook (default), amqp, run, email, command, scale or set"),
    SU_FIELD(struct common, description, SU_FIELD_TEXT, .max = 2000, .help = "For people"),
    SU_FIELD(struct common, enabled, SU_FIELD_BOOL, .help = "false: its decisions are noted and stopped"),
    SU_FIELD(struct common, dry_run, SU_FIELD_BOOL, .help = "true: the same, to see what it would do"),
    SU_FIELD(struct common, cooldown, SU_FIELD_TEXT, .help = "At most one in so long (5m), in event time; what ends an episode passes"),
    SU_FIELD(struct common, rate_limit, SU_FIELD_OBJECT, .help = "{\"count\": 10, \"per\": \"1m\"}, a token bucket in event time"),
    SU_FIELD(struct common, blast_radius, SU_FIELD_OBJECT,
             .help = "{\"share\": 0.1, \"count\": 5, \"per\": \"10m\"}: of a watch's keys at most so many are acted upon"),
    SU_FIELD(struct common, approval, SU_FIELD_OBJECT, .help = "{\"wait\": \"10m\", \"then\": \"expire\" or \"send\"}: a person is asked first"),
    SU_FIELD(struct common, active, SU_FIELD_LIST, .min = 1, .max = ACTION_ACTIVE_MAX,
             .help = "When it may act: [{\"days\": [\"mon\"], \"from\": \"08:00\", \"to\": \"18:00\", \"zone\": \"Europe/Berlin\"}]"),
    SU_FIELD(struct common, retry, SU_FIELD_OBJECT,
             .help = "{\"first\": \"1s\", \"deadline\": \"24h\"}: first pause, doubled up to 10 min with jitter, and when to give up"),
    SU_FIELD(struct common, timeout, SU_FIELD_TEXT, .help = "Of one attempt: 100ms..5m, default 15s"),
    SU_FIELD_END};

/* --- parts ---------------------------------------------------------------------- */

static bool read_duration(const char *text, const char *field, int64_t min_ms, int64_t max_ms, int64_t *ret_ms, struct su_err *err)
{
    uint64_t ms;
    if (text == NULL)
        return true;
    if (!su_str_duration_ms(su_str_of(text), &ms) || (int64_t)ms < min_ms || (int64_t)ms > max_ms)
        return su_fail_field(err, SU_INVALID, field, "%s: must be a time such as 30s, %lldms..%llds, was \"%.32s\"", field + 1, (long long)min_ms,
                             (long long)max_ms / 1000, text);
    *ret_ms = (int64_t)ms;
    return true;
}

/* Errors of the inner object name the outer member: "/retry/first". */
static bool bind_inner(const json_t *inner, const char *name, const struct su_field *fields, void *target, struct su_err *err)
{
    if (su_json_bind(inner, fields, target, err))
        return true;
    char field[sizeof err->field];
    snprintf(field, sizeof field, "/%s%.60s", name, err->field);
    memcpy(err->field, field, sizeof field);
    return su_prefix(err, "%s", name);
}

struct per { const char *per; int64_t count; double share; };

static bool read_rate(const json_t *given, struct action_policy *ret, struct su_err *err)
{
    static const struct su_field fields[] = {
        SU_FIELD(struct per, count, SU_FIELD_INT, .is_required = true, .min = 1, .max = ACTION_PER_MAX),
        SU_FIELD(struct per, per, SU_FIELD_TEXT, .is_required = true), SU_FIELD_END};
    struct per per = {0};
    int64_t per_ms = 0;
    if (given == NULL)
        return true;
    if (!bind_inner(given, "rate_limit", fields, &per, err) || !read_duration(per.per, "/rate_limit/per", 1000, 7 * DAY_MS, &per_ms, err))
        return false;
    ret->rate.count = per.count;
    ret->rate.per_us = per_ms * 1000;
    return true;
}

static bool read_blast(const json_t *given, struct action_policy *ret, struct su_err *err)
{
    static const struct su_field fields[] = {
        SU_FIELD(struct per, count, SU_FIELD_INT, .min = 1, .max = ACTION_PER_MAX), SU_FIELD(struct per, share, SU_FIELD_NUMBER, .min = 0, .max = 1),
        SU_FIELD(struct per, per, SU_FIELD_TEXT, .is_required = true), SU_FIELD_END};
    struct per per = {0};
    int64_t per_ms = 0;
    if (given == NULL)
        return true;
    if (!bind_inner(given, "blast_radius", fields, &per, err) || !read_duration(per.per, "/blast_radius/per", 1000, 7 * DAY_MS, &per_ms, err))
        return false;
    if (per.count == 0 && per.share <= 0)
        return su_fail_field(err, SU_INVALID, "/blast_radius", "blast_radius: needs a \"count\" or a \"share\" above 0");
    ret->blast.count = per.count;
    ret->blast.share = per.share;
    ret->blast.per_us = per_ms * 1000;
    return true;
}

static bool read_approval(const json_t *given, struct action_policy *ret, struct su_err *err)
{
    struct approval { const char *wait, *then; };
    static const struct su_field fields[] = {SU_FIELD(struct approval, wait, SU_FIELD_TEXT, .is_required = true),
                                             SU_FIELD(struct approval, then, SU_FIELD_TEXT), SU_FIELD_END};
    struct approval approval = {.then = "expire"};
    if (given == NULL)
        return true;
    if (!bind_inner(given, "approval", fields, &approval, err)
        || !read_duration(approval.wait, "/approval/wait", 100, 30LL * DAY_MS, &ret->approval.wait_ms, err))
        return false;
    ret->approval.sends_after = strcmp(approval.then, "send") == 0;
    return ret->approval.sends_after || strcmp(approval.then, "expire") == 0
        || su_fail_field(err, SU_INVALID, "/approval/then", "approval.then: must be expire or send, was \"%.20s\"", approval.then);
}

static bool read_retry(const json_t *given, struct action_policy *ret, struct su_err *err)
{
    struct retry { const char *first, *deadline; };
    static const struct su_field fields[] = {SU_FIELD(struct retry, first, SU_FIELD_TEXT), SU_FIELD(struct retry, deadline, SU_FIELD_TEXT), SU_FIELD_END};
    struct retry retry = {0};
    return given == NULL
        || (bind_inner(given, "retry", fields, &retry, err)
            && read_duration(retry.first, "/retry/first", 10, 10 * 60 * 1000, &ret->retry.first_ms, err)
            && read_duration(retry.deadline, "/retry/deadline", 0, 30LL * DAY_MS, &ret->retry.deadline_ms, err));
}

bool action_policy_read(const json_t *definition, struct action_policy *ret, struct su_err *err)
{
    struct common common = {.enabled = true};
    SU_AUTO_JSON json_t *known = json_object();
    int64_t cooldown_ms = 0;
    struct action_policy policy = {.retry = {FIRST_MS, DEADLINE_MS}, .timeout_ms = TIMEOUT_MS};
    for (const struct su_field *field = action_common_fields; field->name; field++) {
        json_t *value = json_object_get(definition, field->name);
        if (value)
            json_object_set(known, field->name, value);
    }
    if (!su_json_bind(known, action_common_fields, &common, err) || !read_rate(common.rate_limit, &policy, err)
        || !read_blast(common.blast_radius, &policy, err) || !read_approval(common.approval, &policy, err) || !read_retry(common.retry, &policy, err)
        || !read_duration(common.cooldown, "/cooldown", 0, 30LL * DAY_MS, &cooldown_ms, err)
        || !read_duration(common.timeout, "/timeout", 100, 5 * 60 * 1000, &policy.timeout_ms, err))
        return false;
    policy.is_enabled = common.enabled;
    policy.is_dry = common.dry_run;
    policy.cooldown_us = cooldown_ms * 1000;
    policy.active = common.active;
    *ret = policy;
    return true;
}
