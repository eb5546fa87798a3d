/* Requests to the outside: see transfer.h.  Layer act; the layer's only user of libcurl. */
#include "transfer.h"
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "aggregate/address.h"
#include "base/seal.h"

enum { CONNECT_MS = 5000 };

struct transfer {
    CURL *curl;
    struct curl_slist *headers, *to;
    char *body, error[CURL_ERROR_SIZE];
    size_t body_len, body_at;
    struct su_buf answer;
    bool allow_private, was_private, is_cut;
    void *arg;
};

struct transfers { CURLM *multi; struct transfer *ended; };

struct transfers *transfers_new(void)
{
    CURLM *multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (multi == NULL)
        return NULL;
    struct transfers *transfers = su_alloc(sizeof *transfers);
    transfers->multi = multi;
    return transfers;
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer == NULL)
        return;
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->to);
    su_buf_done(&transfer->answer);
    free(transfer->body);
    free(transfer);
}

void transfers_free(struct transfers *transfers)
{
    if (transfers == NULL)
        return;
    transfer_free(transfers->ended);
    curl_multi_cleanup(transfers->multi);
    curl_global_cleanup();
    free(transfers);
}

/* --- what libcurl asks ------------------------------------------------------- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || (!transfer->allow_private && !address_is_public(&address->addr))) {
        transfer->was_private = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count, room = TRANSFER_ANSWER_MAX - transfer->answer.len;
    transfer->is_cut = len > room;
    su_buf_add(&transfer->answer, data, len < room ? len : room);
    return transfer->is_cut ? 0 : len;
}

static size_t give_mail(char *into, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t left = transfer->body_len - transfer->body_at, len = size * count < left ? size * count : left;
    memcpy(into, transfer->body + transfer->body_at, len);
    transfer->body_at += len;
    return len;
}

/* --- one request ---------------------------------------------------------------- */

static void append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    su_assert(longer != NULL);
    *list = longer;
}

static void set_common(struct transfer *transfer, const struct transfer_order *order)
{
    CURL *curl = transfer->curl;
    curl_easy_setopt(curl, CURLOPT_URL, order->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, order->to ? "smtp,smtps" : "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");              /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);      /* each connection's address is checked */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)order->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    if (order->ca) {
        struct curl_blob ca = {.data = (void *)(uintptr_t)order->ca, .len = strlen(order->ca), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
    }
}

static void set_http(struct transfer *transfer, const struct transfer_order *order)
{
    CURL *curl = transfer->curl;
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)order->headers, name, value) {
        SU_AUTO_FREE char *line = su_format("%s: %s", name, json_string_value(value));
        append(&transfer->headers, line);
    }
    append(&transfer->headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "suricate/" SURICATE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, order->method);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)transfer->body_len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, transfer->body);
}

static void set_mail(struct transfer *transfer, const struct transfer_order *order)
{
    CURL *curl = transfer->curl;
    size_t i;
    json_t *to;
    json_array_foreach ((json_t *)(uintptr_t)order->to, i, to)
        append(&transfer->to, json_string_value(to));
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(order->is_plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, order->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, transfer->to);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
    if (!order->user)
        return;
    char *password = su_guarded_alloc(order->password.len + 1);
    memcpy(password, order->password.ptr, order->password.len);
    curl_easy_setopt(curl, CURLOPT_USERNAME, order->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    su_guarded_free(password, order->password.len + 1);
}

struct transfer *transfer_start(struct transfers *transfers, const struct transfer_order *order)
{
    struct transfer *transfer = su_alloc(sizeof *transfer);
    *transfer = (struct transfer){.curl = curl_easy_init(), .body = su_strndup(order->body.ptr ? order->body.ptr : "", order->body.len),
                                  .body_len = order->body.len, .answer = SU_BUF(TRANSFER_ANSWER_MAX + 1),
                                  .allow_private = order->allow_private, .arg = order->arg};
    su_assert(transfer->curl != NULL);
    set_common(transfer, order);
    if (order->to)
        set_mail(transfer, order);
    else
        set_http(transfer, order);
    curl_multi_add_handle(transfers->multi, transfer->curl);
    return transfer;
}

void transfer_cancel(struct transfers *transfers, struct transfer *transfer)
{
    curl_multi_remove_handle(transfers->multi, transfer->curl);
    transfer_free(transfer);
}

/* --- how it ended ------------------------------------------------------------------ */

static void describe(struct transfer *transfer, CURLcode code, struct transfer_end *ret)
{
    curl_off_t after_s = 0;
    *ret = (struct transfer_end){.arg = transfer->arg, .was_private = transfer->was_private, .is_timeout = code == CURLE_OPERATION_TIMEDOUT,
                                 .is_cut = transfer->is_cut, .answer = su_buf_str(&transfer->answer)};
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &ret->status);
    curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &after_s);
    ret->retry_after_s = after_s;
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->is_cut))
        return;
    snprintf(ret->error, sizeof ret->error, "%s", transfer->error[0] ? transfer->error : curl_easy_strerror(code));
}

bool transfers_next(struct transfers *transfers, struct transfer_end *ret)
{
    int running, left;
    CURLMsg *message;
    transfer_free(transfers->ended);
    transfers->ended = NULL;
    curl_multi_perform(transfers->multi, &running);
    do {
        message = curl_multi_info_read(transfers->multi, &left);
    } while (message != NULL && message->msg != CURLMSG_DONE);
    if (message == NULL)
        return false;
    char *private = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    transfers->ended = (struct transfer *)(void *)private;
    curl_multi_remove_handle(transfers->multi, transfers->ended->curl);
    describe(transfers->ended, code, ret);
    return true;
}

void transfers_wait(struct transfers *transfers, int64_t timeout_ms)
{
    curl_multi_poll(transfers->multi, NULL, 0, (int)timeout_ms, NULL);
}

void transfers_wake(struct transfers *transfers) { curl_multi_wakeup(transfers->multi); }
