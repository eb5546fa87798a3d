/* Batches of messages on their way into a stream: see pusher.h.  Layer cli; main thread. */
#include "cli/pusher.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/patience.h"
#include "cli/stream.h"

enum { HARD_BYTES = 1 << 30 };

struct pusher {
    struct pusher_options options;
    struct client *client;
    char *path, *key;
    struct su_buf body;
    uint64_t *numbers;      /* of the messages in body */
    size_t count;
    int64_t oldest_ms;
    struct pusher_totals totals;
    void (*on_wait)(void *arg, const char *why);
    void *on_wait_arg;
};

/* No server and no stream are said at once, not after a minute of trying.  A token that may only write sees neither. */
static bool is_there(struct client *client, const char *stream, struct su_err *err)
{
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = stream_path(stream, "");
    return client_get_json(client, path, &record, err) || err->code == SU_DENIED;
}

bool pusher_open(struct invocation *in, const struct pusher_options *options, struct pusher **ret, struct su_err *err)
{
    struct client *client;
    if (options->key && strpbrk(options->key, "\r\n"))
        return su_fail(err, SU_INVALID, "--key: a key is one line of text");
    if (!invocation_client(in, &client, err) || !is_there(client, options->stream, err))
        return false;
    struct pusher *pusher = su_alloc(sizeof *pusher);
    *pusher = (struct pusher){.options = *options, .client = client, .body = SU_BUF(HARD_BYTES)};
    pusher->path = stream_path(options->stream, "/messages");
    if (options->key)
        pusher->key = su_format("X-Suricate-Key: %s", options->key);
    if (!pusher->options.count_max)
        pusher->options.count_max = PUSHER_COUNT;
    pusher->numbers = su_alloc(pusher->options.count_max * sizeof *pusher->numbers);
    *ret = pusher;
    return true;
}

void pusher_close(struct pusher *pusher)
{
    if (!pusher)
        return;
    free(pusher->path);
    free(pusher->key);
    free(pusher->numbers);
    su_buf_done(&pusher->body);
    free(pusher);
}

size_t pusher_waiting(const struct pusher *pusher) { return pusher->count; }
int64_t pusher_oldest_ms(const struct pusher *pusher) { return pusher->oldest_ms; }
const struct pusher_totals *pusher_totals(const struct pusher *pusher) { return &pusher->totals; }

void pusher_on_wait(struct pusher *pusher, void (*fn)(void *arg, const char *why), void *arg)
{
    pusher->on_wait = fn;
    pusher->on_wait_arg = arg;
}

/* The server names lines of the batch; people know lines of their file. */
static bool fail_refused(const struct pusher *pusher, struct su_err *err)
{
    const json_t *first = json_array_get(json_object_get(client_problem(pusher->client), "errors"), 0);
    int64_t line = su_json_int(first, "line", 0);
    const struct pusher_options *options = &pusher->options;
    const char *source = options->source, *unit = options->unit;
    if (line >= 1 && (size_t)line <= pusher->count) {
        su_fail(err, SU_INVALID, "%s, %s %llu: %s", source, unit, (unsigned long long)pusher->numbers[line - 1],
                su_json_string(first, "message", "refused"));
        if (pusher->totals.count)
            su_hint(err, "what stands before %s %llu is stored, nothing from there on: mend it, and push the rest", unit,
                    (unsigned long long)pusher->numbers[0]);
        else
            su_hint(err, "nothing of it is stored: mend it, and push it again");
    } else if (pusher->totals.count) {
        su_prefix(err, "%s, from %s %llu on", source, unit, (unsigned long long)pusher->numbers[0]);
        if (!*err->hint)
            su_hint(err, "the %llu messages before are stored", (unsigned long long)pusher->totals.count);
    }
    return false;
}

static void take_answer(struct pusher *pusher, const json_t *answer)
{
    struct pusher_totals *totals = &pusher->totals;
    if (!totals->has_first)
        totals->first = (uint64_t)su_json_int(answer, "first", 0);
    totals->has_first = true;
    totals->next = (uint64_t)su_json_int(answer, "next", 0);
    totals->count += pusher->count;
    totals->bytes += pusher->body.len;
    su_buf_clear(&pusher->body);
    pusher->count = 0;
}

/* How long the server asks to wait, 0 when it says nothing; false: trying again is no use. */
static bool may_retry(const struct client_reply *reply, const struct su_err *err, uint64_t *ret_asked_ms)
{
    *ret_asked_ms = 1000 * reply->retry_after_s;
    if (reply->status == 429 && !*ret_asked_ms)
        *ret_asked_ms = 1000;
    return reply->status == 429 || err->code == SU_UNAVAILABLE || err->code == SU_TIMEOUT;
}

bool pusher_flush(struct pusher *pusher, struct su_err *err)
{
    struct patience patience;
    if (!pusher->count)
        return true;
    char id[SU_ID_SIZE];
    SU_AUTO_FREE char *repeat_key = su_format("Idempotency-Key: %s", su_id(id));
    struct client_call call = {.method = "POST", .path = pusher->path, .body = su_buf_str(&pusher->body),
                               .content_type = pusher->options.type, .headers = {repeat_key, pusher->key}};
    patience_renew(&patience);
    for (;;) {
        uint64_t asked_ms;
        CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
        if (client_send(pusher->client, &call, &reply, err)) {
            take_answer(pusher, reply.json);
            return true;
        }
        if (!may_retry(&reply, err, &asked_ms))
            return fail_refused(pusher, err);
        if (pusher->on_wait)
            pusher->on_wait(pusher->on_wait_arg, err->message);
        if (!patience_wait(&patience, asked_ms))
            return fail_refused(pusher, err);
    }
}

bool pusher_add(struct pusher *pusher, struct su_str message, uint64_t number, struct su_err *err)
{
    if (pusher->count && pusher->body.len + message.len >= PUSHER_BYTES && !pusher_flush(pusher, err))
        return false;
    if (!pusher->count)
        pusher->oldest_ms = su_mono_ms();
    su_buf_add(&pusher->body, message.ptr, message.len);
    su_buf_addc(&pusher->body, '\n');
    pusher->numbers[pusher->count++] = number;
    return pusher->count < pusher->options.count_max || pusher_flush(pusher, err);
}
