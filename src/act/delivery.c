/* Delivery: see delivery.h.  Layer act; the layer's only user of libcurl. */
#include "delivery.h"
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "action.h"
#include "aggregate/address.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "decision.h"
#include "signature.h"
#include "store/secret.h"

enum {
    PARALLEL_MAX = 64,
    CONNECT_MS = 5000,
    PAUSE_MAX_MS = 10 * 60 * 1000,
    RETRY_AFTER_MAX_S = 3600,
    GIVE_UP_MS = 24 * 3600 * 1000,
    IDLE_MS = 60 * 1000,
    UNSETTLED_MS = 2000,        /* after a result that could not be written down */
    ANSWER_MAX = 200,           /* bytes of an answer that go into the error */
};

struct request {
    struct delivery *delivery;
    CURL *curl;
    struct curl_slist *headers;
    char *tenant, *action, *id, *body;
    int64_t number, decided_ms, attempts;
    bool allow_private, was_private;
    struct su_buf answer;
    char *error;                /* what came of it; NULL: delivered */
    bool is_final;
    int64_t due_ms;
};

struct delivery {
    struct store *store;
    struct su_bus *bus;
    struct actions *actions;
    struct secrets *secrets;
    struct delivery_options options;
    CURLM *multi;
    struct su_thread thread;
    struct request *active[PARALLEL_MAX], *finished[PARALLEL_MAX];
    uint32_t active_count, finished_count;
    struct su_bus_subscription *subscription;
    struct su_lock lock;        /* of the thread's start */
    atomic_bool is_closing;
};

/* --- pure -------------------------------------------------------------------- */

int64_t delivery_pause_ms(int64_t retry_ms, int64_t attempts, double random)
{
    int64_t pause = retry_ms;
    for (int64_t i = 1; i < attempts && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    return (int64_t)((double)pause * (0.5 + 0.5 * random));
}

bool delivery_is_final(long status) { return status == 400 || status == 410 || status == 413 || status == 422; }

static double random_fraction(void)
{
    uint32_t value;
    su_random(&value, sizeof value);
    return (double)value / (double)UINT32_MAX;
}

/* --- one request ---------------------------------------------------------------- */

static void request_free(struct request *request)
{
    if (request == NULL)
        return;
    curl_easy_cleanup(request->curl);
    curl_slist_free_all(request->headers);
    su_buf_done(&request->answer);
    free(request->tenant);
    free(request->action);
    free(request->id);
    free(request->body);
    free(request->error);
    free(request);
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct request *request = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || (!request->allow_private && !address_is_public(&address->addr))) {
        request->was_private = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The first bytes of an answer explain a refusal; the rest is read and dropped, up to what libcurl allows. */
static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct request *request = arg;
    size_t len = size * count, room = ANSWER_MAX - request->answer.len;
    su_buf_add(&request->answer, data, len < room ? len : room);
    return len;
}

static void add_header(struct request *request, const char *name, const char *value)
{
    SU_AUTO_FREE char *line = su_format("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(request->headers, line);
    su_assert(longer != NULL);
    request->headers = longer;
}

static bool add_signature(struct delivery *delivery, struct request *request, const char *secret_name, int64_t timestamp_s, struct su_err *err)
{
    SECRET_AUTO struct secret *secret = NULL;
    char signature[SIGNATURE_SIZE];
    if (secret_name == NULL)
        return true;
    if (delivery->secrets == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no secrets");
    if (!secret_get(delivery->secrets, request->tenant, secret_name, &secret, err)
        || !signature_make(secret_reveal(secret), request->id, timestamp_s, su_str_of(request->body), signature, err))
        return false;
    add_header(request, "webhook-signature", signature);
    return true;
}

static bool add_headers(struct delivery *delivery, struct request *request, const json_t *action, struct su_err *err)
{
    int64_t now_s = su_now_ms() / 1000;
    char timestamp[24];
    const char *name;
    json_t *value;
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)now_s);
    json_object_foreach (json_object_get(action, "headers"), name, value)
        add_header(request, name, json_string_value(value));
    add_header(request, "Content-Type", "application/json");
    add_header(request, "Idempotency-Key", request->id);
    add_header(request, "webhook-id", request->id);
    add_header(request, "webhook-timestamp", timestamp);
    add_header(request, "Expect", "");
    return add_signature(delivery, request, su_json_string(action, "secret", NULL), now_s, err);
}

static void set_options(struct request *request, const char *url)
{
    CURL *curl = request->curl;
    const struct delivery_options *options = &request->delivery->options;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");              /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);      /* each connection's address is checked */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, request);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, request);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "suricate/" SURICATE_VERSION);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
}

static char *body_of(json_t *decision)
{
    static const char *const inner[] = {"state", "attempts", "last_error", "settled_at", "idempotency_key"};
    for (size_t i = 0; i < SU_COUNT(inner); i++)
        json_object_del(decision, inner[i]);
    SU_AUTO_JSON json_t *body = json_pack("{s:s, s:O, s:O}", "type", "decision", "timestamp", json_object_get(decision, "decided_at"), "data", decision);
    return su_json_text(body);
}

/* Everything that must be known before a byte is sent. */
static bool request_make(struct delivery *delivery, struct request *request, struct su_err *err)
{
    SU_AUTO_JSON json_t *decision = NULL, *action = NULL;
    STORE_READ(delivery->store, db);
    if (!decision_load(db, request->number, &decision, &request->decided_ms, &request->attempts, err)
        || !action_load(db, request->tenant, request->action, &action, err))
        return false;
    const char *webhook = su_json_string(action, "webhook", "");
    request->id = su_strdup(su_json_string(decision, "id", ""));
    request->body = body_of(decision);
    if (!action_check_target(delivery->actions, request->tenant, webhook, &request->allow_private, err)
        || !add_headers(delivery, request, action, err))
        return false;
    set_options(request, webhook);
    return true;
}

/* --- what came of it --------------------------------------------------------------- */

static void fail_request(struct request *request, bool is_final, const char *why)
{
    bool is_old = su_now_ms() - request->decided_ms > GIVE_UP_MS;
    int64_t pause = delivery_pause_ms(request->delivery->options.retry_ms, request->attempts + 1, random_fraction());
    curl_off_t wanted_s = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RETRY_AFTER, &wanted_s);
    if (wanted_s > RETRY_AFTER_MAX_S)
        wanted_s = RETRY_AFTER_MAX_S;
    if (wanted_s * 1000 > pause)
        pause = (int64_t)wanted_s * 1000;
    request->is_final = is_final || is_old;
    request->error = is_old && !is_final ? su_format("given up after a day: %s", why) : su_strdup(why);
    request->due_ms = su_now_ms() + pause;
}

/* Printable ASCII only: somebody else's bytes end up in our records. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            *text = ' ';
}

static void judge(struct request *request, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    if (request->was_private) {
        fail_request(request, true, "the action's host has no public address; its owner can allow host and port with PUT /v1/fetch-hosts"
                     " (allow_private) or serve --allow-fetch HOST:PORT");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        SU_AUTO_FREE char *why = su_format("no answer within %lld ms", (long long)request->delivery->options.timeout_ms);
        fail_request(request, false, why);
    } else if (code != CURLE_OK) {
        fail_request(request, false, curl_easy_strerror(code));
    } else if (status < 200 || status > 299) {
        SU_AUTO_FREE char *why = su_format("the receiver answered %ld%s%s", status, request->answer.len ? ": " : "", su_buf_str(&request->answer).ptr);
        make_printable(why);
        fail_request(request, delivery_is_final(status), why);
    }
}

static bool settle_job(struct sql *db, void *arg, struct su_err *err)
{
    struct delivery *delivery = arg;
    for (uint32_t i = 0; i < delivery->finished_count; i++) {
        const struct request *request = delivery->finished[i];
        const struct outbox_result result = {request->tenant, request->action, request->number, request->error, request->is_final, request->due_ms};
        if (!outbox_settle(db, &result, err))
            return false;
    }
    return true;
}

static void tell(struct delivery *delivery, const struct request *request)
{
    if (request->error != NULL && !request->is_final)
        return;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", request->tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:o, s:o}", "action", request->action, "decision", su_json_text_or_null(request->id),
                                            "error", su_json_text_or_null(request->error));
    su_bus_publish(delivery->bus, topic, request->error ? "action.failed" : "action.sent", detail);
}

/* Written down together.  False: that failed (a full disk), and they are made again, after a while. */
static bool settle(struct delivery *delivery)
{
    struct su_err err;
    bool ok = store_write(delivery->store, settle_job, delivery, &err);
    if (!ok)
        su_log_error("delivery.settle", &err);
    for (uint32_t i = 0; i < delivery->finished_count; i++) {
        if (ok)
            tell(delivery, delivery->finished[i]);
        request_free(delivery->finished[i]);
    }
    delivery->finished_count = 0;
    return ok;
}

/* --- the thread ------------------------------------------------------------------------ */

static bool is_under_way(const struct delivery *delivery, const struct outbox_head *head)
{
    for (uint32_t i = 0; i < delivery->active_count; i++)
        if (strcmp(delivery->active[i]->action, head->action) == 0 && strcmp(delivery->active[i]->tenant, head->tenant) == 0)
            return true;
    return false;
}

static void start(struct delivery *delivery, const struct outbox_head *head)
{
    struct su_err err;
    struct request *request = su_alloc(sizeof *request);
    *request = (struct request){.delivery = delivery, .curl = curl_easy_init(), .tenant = su_strdup(head->tenant),
                                .action = su_strdup(head->action), .number = head->number, .decided_ms = su_now_ms(),
                                .answer = SU_BUF(ANSWER_MAX + 1)};
    su_assert(request->curl != NULL);
    if (request_make(delivery, request, &err)) {
        curl_multi_add_handle(delivery->multi, request->curl);
        delivery->active[delivery->active_count++] = request;
        return;
    }
    fail_request(request, err.code == SU_DENIED || err.code == SU_INVALID, err.message);
    delivery->finished[delivery->finished_count++] = request;
}

/* Starts what is due, an action at a time; milliseconds until the next one is. */
static int64_t start_due(struct delivery *delivery)
{
    struct su_err err;
    struct outbox_head at = {0};
    int64_t now = su_now_ms(), pause = IDLE_MS;
    bool is_first = true;
    for (;;) {
        struct outbox_head head;
        STORE_READ(delivery->store, db);
        bool ok = outbox_next(db, is_first ? "" : at.tenant, is_first ? "" : at.action, &head, &err);
        if (!ok)
            su_log_error("delivery.outbox", &err);
        outbox_head_done(&at);
        if (!ok || head.number == 0)
            break;
        at = head;
        is_first = false;
        if (is_under_way(delivery, &head))
            continue;
        if (head.due_ms > now)
            pause = head.due_ms - now < pause ? head.due_ms - now : pause;
        else if (delivery->active_count + delivery->finished_count < delivery->options.parallel)
            start(delivery, &head);
    }
    return delivery->finished_count > 0 ? 0 : pause;
}

static void end_finished(struct delivery *delivery)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(delivery->multi, &left)) != NULL;) {
        char *private = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct request *request = (struct request *)(void *)private;
        curl_multi_remove_handle(delivery->multi, request->curl);
        for (uint32_t i = 0; i < delivery->active_count; i++)
            if (delivery->active[i] == request)
                delivery->active[i] = delivery->active[--delivery->active_count];
        judge(request, code);
        delivery->finished[delivery->finished_count++] = request;
    }
}

static void run(void *arg)
{
    struct delivery *delivery = arg;
    while (!delivery->is_closing) {
        int running;
        int64_t pause = start_due(delivery);
        curl_multi_perform(delivery->multi, &running);
        end_finished(delivery);
        if (delivery->finished_count == 0) {
            curl_multi_poll(delivery->multi, NULL, 0, (int)pause, NULL);
            continue;
        }
        if (!settle(delivery))
            curl_multi_poll(delivery->multi, NULL, 0, UNSETTLED_MS, NULL);
    }
    for (uint32_t i = 0; i < delivery->active_count; i++) {
        curl_multi_remove_handle(delivery->multi, delivery->active[i]->curl);
        request_free(delivery->active[i]);
    }
}

/* libcurl and its TLS library take memory: a server that decides nothing does without. */
static void wake(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct delivery *delivery = arg;
    (void)topic, (void)event, (void)detail;
    SU_LOCKED(&delivery->lock);
    if (delivery->multi != NULL) {
        curl_multi_wakeup(delivery->multi);
        return;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (delivery->multi = curl_multi_init()) == NULL) {
        su_log(SU_LOG_ERROR, "delivery.start", su_kv_text("message", "libcurl could not be started"));
        return;
    }
    su_thread_start(&delivery->thread, "delivery", run, delivery);
}

bool delivery_open(struct store *store, struct su_bus *bus, struct actions *actions, struct secrets *secrets,
                   const struct delivery_options *options, struct delivery **ret, struct su_err *err)
{
    struct outbox_head head;
    {
        STORE_READ(store, db);
        if (!outbox_next(db, "", "", &head, err))
            return false;
    }
    struct delivery *delivery = su_alloc(sizeof *delivery);
    *delivery = (struct delivery){.store = store, .bus = bus, .actions = actions, .secrets = secrets};
    if (options != NULL)
        delivery->options = *options;
    struct delivery_options *o = &delivery->options;
    o->parallel = o->parallel == 0 ? 16 : o->parallel > PARALLEL_MAX ? PARALLEL_MAX : o->parallel;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 15000;
    o->retry_ms = o->retry_ms ? o->retry_ms : 1000;
    su_lock_init(&delivery->lock);
    delivery->subscription = su_bus_subscribe(bus, "decisions", wake, delivery);
    if (head.number != 0)
        wake(delivery, NULL, NULL, NULL);
    outbox_head_done(&head);
    *ret = delivery;
    return true;
}

void delivery_close(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    su_bus_unsubscribe(delivery->bus, delivery->subscription);
    delivery->is_closing = true;
    if (delivery->multi != NULL) {
        curl_multi_wakeup(delivery->multi);
        su_thread_join(&delivery->thread);
        curl_multi_cleanup(delivery->multi);
        curl_global_cleanup();
    }
    su_lock_done(&delivery->lock);
    free(delivery);
}
