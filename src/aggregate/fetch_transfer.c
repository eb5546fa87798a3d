/* Downloads: the thread "fetch" and libcurl's multi handle, which only it touches.  Layer aggregate.
 *
 * The thread starts with the first download.
 *
 * The address that was checked is the address that is connected to: libcurl
 * resolves once and asks open_socket for each address it is about to use. */
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "fetch_private.h"

enum { CONNECT_MS = 15000, STALLED_S = 60, PARALLEL_MAX = 64 };

struct transfer {
    struct fetch_engine *engine;
    struct fetch_job *job;
    CURL *curl;
    struct object_upload *upload;
    uint64_t bytes;
    bool was_private, has_failed;   /* has_failed: err says why, better than libcurl */
    struct su_err err;
};

struct fetch_engine {
    struct objects *objects;
    struct fetches_options options;
    fetch_done_fn *done;
    void *done_arg;
    CURLM *multi;
    struct su_thread thread;
    struct transfer *active[PARALLEL_MAX];
    uint32_t active_count;
    struct su_lock lock;            /* of what follows */
    struct fetch_job *first, **last;
    uint32_t waiting;
    bool is_closing;
};

/* --- addresses -------------------------------------------------------- */

void fetch_target_done(struct fetch_target *target)
{
    free(target->url);
    *target = (struct fetch_target){0};
}

static bool check_url_text(const char *url, struct su_err *err)
{
    size_t len = strlen(url);
    if (len == 0 || len > FETCH_URL_MAX)
        return su_fail_field(err, SU_INVALID, "/url", "an address has 1..%d bytes", FETCH_URL_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)url[i] <= 0x20 || (unsigned char)url[i] >= 0x7f)
            return su_fail_field(err, SU_INVALID, "/url", "an address is ASCII without spaces or line ends: percent-encode byte %zu", i);
    return true;
}

/* One part of a parsed address, copied; NULL when absent. */
static char *url_part(CURLU *parsed, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(parsed, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = su_strdup(text);
    curl_free(text);
    return copy;
}

static bool read_host(CURLU *parsed, struct fetch_target *ret, struct su_err *err)
{
    SU_AUTO_FREE char *host = url_part(parsed, CURLUPART_HOST, 0), *zone = url_part(parsed, CURLUPART_ZONEID, 0);
    struct su_str bare = su_str_of(host);
    if (bare.len > 2 && bare.ptr[0] == '[')
        bare = (struct su_str){bare.ptr + 1, bare.len - 2};
    if (su_str_ends(bare, SU_STR(".")))
        bare.len--;
    if (bare.len == 0 || bare.len >= sizeof ret->host || zone != NULL || memchr(bare.ptr, '%', bare.len) != NULL)
        return su_fail_field(err, SU_INVALID, "/url", "the address has no usable host");
    for (size_t i = 0; i < bare.len; i++)
        ret->host[i] = (char)tolower((unsigned char)bare.ptr[i]);
    ret->host[bare.len] = '\0';
    return true;
}

static bool read_parts(CURLU *parsed, struct fetch_target *ret, struct su_err *err)
{
    SU_AUTO_FREE char *scheme = url_part(parsed, CURLUPART_SCHEME, 0), *user = url_part(parsed, CURLUPART_USER, 0);
    SU_AUTO_FREE char *password = url_part(parsed, CURLUPART_PASSWORD, 0), *port = url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    uint64_t number;
    if (scheme == NULL || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return su_fail_field(err, SU_INVALID, "/url", "only http and https addresses are used");
    if (user != NULL || password != NULL)
        return su_fail_field(err, SU_INVALID, "/url", "an address has no user or password: it would be kept in the lineage");
    if (port == NULL || !su_str_u64(su_str_of(port), 65535, &number) || number == 0)
        return su_fail_field(err, SU_INVALID, "/url", "the address has no usable port");
    ret->port = (uint16_t)number;
    ret->is_default_port = number == (strcmp(scheme, "https") == 0 ? 443 : 80);
    return read_host(parsed, ret, err);
}

bool fetch_target_parse(const char *url, struct fetch_target *ret, struct su_err *err)
{
    if (!check_url_text(url, err))
        return false;
    CURLU *parsed = curl_url();
    struct fetch_target target = {0};
    bool ok = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK
        || su_fail_field(err, SU_INVALID, "/url", "\"%.200s\" is no http or https address", url);
    ok = ok && read_parts(parsed, &target, err);
    if (ok) {
        curl_url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
        target.url = url_part(parsed, CURLUPART_URL, 0);
        *ret = target;
    }
    curl_url_cleanup(parsed);
    return ok;
}

void fetch_job_free(struct fetch_job *job)
{
    if (job == NULL)
        return;
    free(job->tenant);
    free(job->user);
    free(job->run);
    free(job->name);
    json_decref(job->tags);
    fetch_target_done(&job->target);
    free(job);
}

/* --- libcurl's questions ---------------------------------------------- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || (!transfer->job->target.allow_private && !address_is_public(&address->addr))) {
        transfer->was_private = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool fail_transfer(struct transfer *transfer)
{
    transfer->has_failed = true;
    return false;
}

static const char *type_of(struct transfer *transfer)
{
    char *type = NULL;
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    return type != NULL && type[0] != '\0' && strlen(type) <= OBJECT_TYPE_MAX ? type : NULL;
}

/* The answer is good: what comes now is content. */
static bool begin_upload(struct transfer *transfer)
{
    struct fetch_job *job = transfer->job;
    char at[SU_TIME_TEXT];
    curl_off_t length = -1;
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    SU_AUTO_JSON json_t *metadata = json_pack("{s:{s:s, s:s, s:s}}", "source", "url", job->target.url, "fetched_at",
                                              su_time_text(su_now_ms(), at), "fetch", job->id);
    const struct object_put put = {.key = {.tenant = job->tenant, .kind = OBJECT_DATA, .name = job->name}, .type = type_of(transfer),
                                   .tags = job->tags, .metadata = metadata, .user = job->user, .run = job->run,
                                   .size_hint = length > 0 ? (uint64_t)length : 0};
    return object_put_begin(transfer->engine->objects, &put, &transfer->upload, &transfer->err) || fail_transfer(transfer);
}

static bool check_status(struct transfer *transfer)
{
    long status = 0;
    char *location = NULL;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return true;
    curl_easy_getinfo(transfer->curl, CURLINFO_REDIRECT_URL, &location);
    if (location != NULL) {
        su_fail(&transfer->err, SU_INVALID, "the address redirects to %.300s", location);
        su_hint(&transfer->err, "Redirects are not followed: fetch that address instead.");
    } else {
        su_fail(&transfer->err, SU_INVALID, "the host answered with status %ld", status);
    }
    return fail_transfer(transfer);
}

static size_t write_content(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    if (transfer->upload == NULL && (!check_status(transfer) || !begin_upload(transfer)))
        return 0;
    transfer->bytes += len;
    if (transfer->bytes > transfer->engine->options.size_max) {
        su_fail(&transfer->err, SU_LIMIT, "the content has more than %llu bytes", (unsigned long long)transfer->engine->options.size_max);
        fail_transfer(transfer);
        return 0;
    }
    if (!object_put_add(transfer->upload, data, len, &transfer->err)) {
        fail_transfer(transfer);
        return 0;
    }
    return len;
}

/* --- one download ----------------------------------------------------- */

static void set_options(struct transfer *transfer)
{
    CURL *curl = transfer->curl;
    const struct fetches_options *options = &transfer->engine->options;
    curl_easy_setopt(curl, CURLOPT_URL, transfer->job->target.url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");              /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
    /* A connection is never another tenant's, and each one is checked. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_content);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "suricate/" SURICATE_VERSION);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)options->size_max);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->time_max_s * 1000);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
}

static void explain(struct transfer *transfer, CURLcode code)
{
    const struct fetches_options *options = &transfer->engine->options;
    if (transfer->has_failed)
        return;
    if (transfer->was_private) {
        su_fail(&transfer->err, SU_DENIED, "%s has no public address", transfer->job->target.host);
        su_hint(&transfer->err, "The owner can allow it: an entry with its port and \"allow_private\": true in /v1/fetch-hosts.");
    } else if (code == CURLE_FILESIZE_EXCEEDED) {
        su_fail(&transfer->err, SU_LIMIT, "the content has more than %llu bytes", (unsigned long long)options->size_max);
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        su_fail(&transfer->err, SU_TIMEOUT, "the download took too long: %d s to connect, %d s without a byte, or %u s in all", CONNECT_MS / 1000,
                STALLED_S, options->time_max_s);
    } else if (code != CURLE_OK) {
        su_fail(&transfer->err, SU_UNAVAILABLE, "the download failed: %s", curl_easy_strerror(code));
    }
}

static void end_transfer(struct transfer *transfer, CURLcode code)
{
    struct fetch_engine *engine = transfer->engine;
    OBJECT_AUTO_INFO struct object_info info = {0};
    explain(transfer, code);
    bool ok = code == CURLE_OK && !transfer->has_failed
        && (transfer->upload != NULL || (check_status(transfer) && begin_upload(transfer)))
        && object_put_finish(transfer->upload, &info, &transfer->err);
    object_upload_close(transfer->upload);
    engine->done(engine->done_arg, transfer->job, transfer->bytes, ok ? &info : NULL, &transfer->err);
    for (uint32_t i = 0; i < engine->active_count; i++)
        if (engine->active[i] == transfer)
            engine->active[i] = engine->active[--engine->active_count];
    curl_multi_remove_handle(engine->multi, transfer->curl);
    curl_easy_cleanup(transfer->curl);
    free(transfer);
}

static void start_transfer(struct fetch_engine *engine, struct fetch_job *job)
{
    struct transfer *transfer = su_alloc(sizeof *transfer);
    *transfer = (struct transfer){.engine = engine, .job = job, .curl = curl_easy_init()};
    engine->active[engine->active_count++] = transfer;
    su_assert(transfer->curl != NULL);
    set_options(transfer);
    curl_multi_add_handle(engine->multi, transfer->curl);
}

/* --- the thread ------------------------------------------------------- */

static struct fetch_job *take_job(struct fetch_engine *engine, bool *ret_is_closing)
{
    SU_LOCKED(&engine->lock);
    *ret_is_closing = engine->is_closing;
    struct fetch_job *job = engine->first;
    if (job == NULL || (!engine->is_closing && engine->active_count >= engine->options.parallel))
        return NULL;
    engine->first = job->next;
    if (engine->first == NULL)
        engine->last = &engine->first;
    engine->waiting--;
    return job;
}

static void end_finished(struct fetch_engine *engine)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(engine->multi, &left)) != NULL;) {
        char *transfer = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        end_transfer((struct transfer *)(void *)transfer, code);
    }
}

/* The server stops: everything that is not done is done now. */
static void cancel_all(struct fetch_engine *engine)
{
    struct su_err err;
    su_fail(&err, SU_CANCELLED, "the server stopped before the download was complete");
    while (engine->active_count > 0) {
        struct transfer *transfer = engine->active[0];
        transfer->err = err;
        transfer->has_failed = true;
        end_transfer(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
    bool is_closing;
    for (struct fetch_job *job; (job = take_job(engine, &is_closing)) != NULL;)
        engine->done(engine->done_arg, job, 0, NULL, &err);
}

static void run(void *arg)
{
    struct fetch_engine *engine = arg;
    bool is_closing = false;
    while (!is_closing) {
        struct fetch_job *job;
        int running;
        while ((job = take_job(engine, &is_closing)) != NULL && !is_closing)
            start_transfer(engine, job);
        if (is_closing && job != NULL)
            start_transfer(engine, job);    /* cancel_all ends it with the others */
        if (is_closing)
            break;
        curl_multi_perform(engine->multi, &running);
        end_finished(engine);
        curl_multi_poll(engine->multi, NULL, 0, 60000, NULL);
    }
    cancel_all(engine);
}

bool fetch_engine_open(struct objects *objects, const struct fetches_options *options, fetch_done_fn *done, void *arg,
                       struct fetch_engine **ret, struct su_err *err)
{
    (void)err;
    struct fetch_engine *engine = su_alloc(sizeof *engine);
    *engine = (struct fetch_engine){.objects = objects, .options = *options, .done = done, .done_arg = arg};
    if (engine->options.parallel > PARALLEL_MAX - 1)
        engine->options.parallel = PARALLEL_MAX - 1;
    engine->last = &engine->first;
    su_lock_init(&engine->lock);
    *ret = engine;
    return true;
}

void fetch_engine_close(struct fetch_engine *engine)
{
    if (engine == NULL)
        return;
    su_lock(&engine->lock);
    engine->is_closing = true;
    su_unlock(&engine->lock);
    if (engine->multi != NULL) {
        curl_multi_wakeup(engine->multi);
        su_thread_join(&engine->thread);
        curl_multi_cleanup(engine->multi);
        curl_global_cleanup();
    }
    su_lock_done(&engine->lock);
    free(engine);
}

/* With the lock held. libcurl and its TLS library take memory: a server that fetches nothing does without. */
static bool start_thread(struct fetch_engine *engine, struct su_err *err)
{
    if (engine->multi != NULL)
        return true;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (engine->multi = curl_multi_init()) == NULL)
        return su_fail(err, SU_INTERNAL, "libcurl could not be started");
    su_thread_start(&engine->thread, "fetch", run, engine);
    return true;
}

bool fetch_engine_submit(struct fetch_engine *engine, struct fetch_job **job, struct su_err *err)
{
    SU_LOCKED(&engine->lock);
    if (engine->waiting >= engine->options.queue_max || engine->is_closing) {
        su_fail(err, SU_UNAVAILABLE, "%u downloads are waiting already", engine->waiting);
        return su_hint(err, "Try again when some of them are done.");
    }
    if (!start_thread(engine, err))
        return false;
    *engine->last = su_take(*job);
    engine->last = &(*engine->last)->next;
    engine->waiting++;
    curl_multi_wakeup(engine->multi);
    return true;
}
