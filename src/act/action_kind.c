/* Kinds of actions: see action_kind.h.  Layer act. */
#include "action_kind.h"
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "aggregate/amqp_link.h"
#include "aggregate/fetch.h"
#include "store/secret.h"
#include "template.h"

const struct action_kind *const action_kinds[] = {
    &action_webhook, &action_amqp, &action_run, &action_email, &action_command, &action_scale, &action_set, NULL};

bool action_kind_find(const char *name, const struct action_kind **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf names = SU_BUF(256);
    for (const struct action_kind *const *kind = action_kinds; *kind; kind++) {
        if (strcmp((*kind)->name, name) == 0) {
            *ret = *kind;
            return true;
        }
        su_buf_addf(&names, "%s%s", kind == action_kinds ? "" : kind[1] ? ", " : " or ", (*kind)->name);
    }
    return su_fail_field(err, SU_INVALID, "/kind", "kind: must be %s, was \"%.40s\"", su_buf_str(&names).ptr, name);
}

json_t *action_own(const json_t *definition)
{
    json_t *own = json_copy((json_t *)(uintptr_t)definition);
    for (const struct su_field *field = action_common_fields; field->name; field++)
        json_object_del(own, field->name);
    return own;
}

bool action_host_check(const struct action_services *with, const char *tenant, const char *host, int port, const char *field,
                       bool *ret_private, struct su_err *err)
{
    bool is_bare_v6 = strchr(host, ':') != NULL && host[0] != '[';
    SU_AUTO_FREE char *url = su_format(is_bare_v6 ? "http://[%s]:%d/" : "http://%s:%d/", host, port);
    return fetch_url_check(with->fetches, tenant, url, field, ret_private, err);
}

bool action_via_check(const struct action_services *with, const char *tenant, const json_t *via, struct su_err *err)
{
    const struct action_kind *kind;
    const char *name = su_json_string(via, "kind", json_object_get(via, "command") ? "command" : "webhook");
    SU_AUTO_JSON json_t *own = action_own(via);
    if (!action_kind_find(name, &kind, err))
        return false;
    if (kind->resolve != NULL)
        return su_fail_field(err, SU_INVALID, "/via", "via: an action of kind %s tells nobody", name);
    if (kind->check(with, tenant, own, err))
        return true;
    char field[sizeof err->field];
    snprintf(field, sizeof field, "/via%.80s", err->field);
    memcpy(err->field, field, sizeof field);
    return su_prefix(err, "via");
}

/* --- attempts ------------------------------------------------------------------ */

static json_t *values_of(const struct attempt *attempt)
{
    json_t *values = json_copy(attempt->decision);
    json_object_set(values, "decision", attempt->decision);
    return values;
}

bool attempt_fill(const struct attempt *attempt, const json_t *template, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *values = values_of(attempt);
    return template_fill(template, values, ret, err);
}

bool attempt_fill_text(const struct attempt *attempt, const char *template, char **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *values = values_of(attempt);
    return template_fill_text(template, values, ret, err);
}

void attempt_cancel(struct attempt *attempt)
{
    SU_LOCKED(&attempt->socket_lock);
    attempt->is_cancelled = true;
    if (attempt->socket >= 0)
        amqp_link_break(attempt->socket);
}

void attempt_socket(void *arg, int fd)
{
    struct attempt *attempt = arg;
    SU_LOCKED(&attempt->socket_lock);
    attempt->socket = fd;
    if (fd >= 0 && attempt->is_cancelled)
        amqp_link_break(fd);
}

/* Printable ASCII only: somebody else's bytes end up in our records. */
static void make_printable(char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            *text = ' ';
}

void attempt_sent(struct attempt *attempt, long status, const char *answer)
{
    attempt->outcome = ATTEMPT_SENT;
    attempt->status = status;
    attempt->answer = su_strdup(answer);
    make_printable(attempt->answer);
}

void attempt_failed(struct attempt *attempt, enum attempt_outcome outcome, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    make_printable(text);
    free(attempt->error);
    attempt->outcome = outcome;
    attempt->error = su_strdup(text);
}

void attempt_faulted(struct attempt *attempt, const struct su_err *err)
{
    bool is_final = err->code == SU_INVALID || err->code == SU_DENIED || (err->code == SU_LIMIT && !su_problem_of(err)->is_retryable);
    attempt_failed(attempt, is_final ? ATTEMPT_REFUSED : ATTEMPT_AGAIN, "%s", err->message);
}

void attempt_order_done(struct attempt_order *order)
{
    json_decref(order->headers);
    free(order->body);
    free(order->url);
    secret_free(order->secret);
    *order = (struct attempt_order){0};
}
