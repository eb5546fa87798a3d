/* A connection to a broker: see amqp_link.h.  Layer aggregate; one thread.  With amqp_headers.c and
 * amqp_publish.c the user of amqp.h. */
#include "amqp_link_private.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/seal.h"

enum {
    FIRST_LOOK = 2,             /* throw-away channels count from here */
    FRAME_STANDARD = 128 * 1024,    /* when the broker names no limit */
    FRAME_MAX = 512 * 1024,     /* a header is never split: a smaller one than the broker's would end at the first large header.
                                 * It bounds how deep one can nest, at some 112 bytes of stack for 7 bytes of header */
    FRAME_MIN = 4096,           /* the protocol's */
    PROTOCOL_HEADER = 'A',      /* the type of frame by which the library shows another version's greeting */
    TIMEOUT_MS = 4000,
    BODY_KEPT = 1 << 20,        /* memory for bodies of several frames that is kept between messages */
};

/* ------------------------------------------------------------ errors */

static struct su_str str(amqp_bytes_t bytes) { return (struct su_str){bytes.bytes, bytes.len}; }
static amqp_bytes_t bytes_of(const char *text) { return (amqp_bytes_t){strlen(text), (void *)(uintptr_t)text}; }

/* The broker's own words, in what may stand in a message. */
static bool broker_said(struct su_err *err, const char *doing, int code, amqp_bytes_t words)
{
    enum su_code kind = code == 403 || code == 530 ? SU_DENIED : code == 404 ? SU_NOT_FOUND : code == 406 ? SU_CONFLICT : SU_UNAVAILABLE;
    struct su_str text = str(words);
    SU_AUTO_FREE char *clean = su_strndup(text.ptr ? text.ptr : "", text.len < 400 ? text.len : 400);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (!su_utf8_valid(su_str_of(clean)))
        clean[0] = '\0';
    return su_fail(err, kind, "%s: the broker answered %d: %s", doing, code, clean);
}

bool amqp_link_said(struct amqp_link *link, struct su_err *err, const char *doing, int status)
{
    link->is_alive = false;
    if (status == AMQP_STATUS_TIMEOUT)
        return su_fail(err, SU_TIMEOUT, "%s: no answer within %d ms", doing, link->options.timeout_ms);
    return su_fail(err, SU_UNAVAILABLE, "%s: %s", doing, amqp_error_string2(status));
}

bool amqp_link_closed(struct amqp_link *link, struct su_err *err, const char *doing, const amqp_method_t *method)
{
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = method->decoded;
        amqp_connection_close_ok_t ok = {0};
        broker_said(err, doing, close->reply_code, close->reply_text);
        amqp_send_method(link->state, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
        link->is_alive = false;
    } else if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = method->decoded;
        broker_said(err, doing, close->reply_code, close->reply_text);
    } else {
        su_fail(err, SU_UNAVAILABLE, "%s: the broker answered with the method %#x", doing, (unsigned)method->id);
        link->is_alive = false;
    }
    return false;
}

static bool check_reply(struct amqp_link *link, amqp_rpc_reply_t reply, const char *doing, struct su_err *err)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL: return true;
    case AMQP_RESPONSE_SERVER_EXCEPTION: return amqp_link_closed(link, err, doing, &reply.reply);
    case AMQP_RESPONSE_LIBRARY_EXCEPTION: return amqp_link_said(link, err, doing, reply.library_error);
    case AMQP_RESPONSE_NONE: break;
    }
    return amqp_link_said(link, err, doing, AMQP_STATUS_UNEXPECTED_STATE);
}

bool amqp_link_check(struct amqp_link *link, const char *doing, struct su_err *err)
{
    return check_reply(link, amqp_get_rpc_reply(link->state), doing, err);
}

static struct timeval timeval_of(int ms) { return (struct timeval){ms / 1000, ms % 1000 * 1000}; }

/* ----------------------------------------------------------- connect */

/* The library reads certificates from a file: this one is in memory. */
static bool use_ca(amqp_socket_t *socket, const char *pem, struct su_err *err)
{
    char path[64] = "/etc/ssl/certs/ca-certificates.crt";
    SU_AUTO_FD int fd = pem ? memfd_create("ca", MFD_CLOEXEC) : -1;
    if (pem && (fd < 0 || !su_write_all(fd, pem, strlen(pem), err)))
        return fd >= 0 || su_fail(err, SU_INTERNAL, "no memory file for the certificates");
    if (pem)
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return amqp_ssl_socket_set_cacert(socket, path) == AMQP_STATUS_OK ||
           su_fail_field(err, SU_INVALID, "/source/tls/ca", "tls.ca: no certificate could be read from it");
}

static amqp_socket_t *new_socket(struct amqp_link *link, struct su_err *err)
{
    const struct amqp_definition *definition = link->definition;
    amqp_socket_t *socket = definition->is_tls ? amqp_ssl_socket_new(link->state) : amqp_tcp_socket_new(link->state);
    su_assert(socket != NULL);
    if (!definition->is_tls)
        return socket;
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    amqp_ssl_socket_set_verify_peer(socket, definition->verifies);
    amqp_ssl_socket_set_verify_hostname(socket, definition->verifies);
    return !definition->verifies || use_ca(socket, definition->ca, err) ? socket : NULL;
}

static bool connect_to(struct amqp_link *link, struct su_err *err)
{
    const struct amqp_definition *definition = link->definition;
    struct timeval timeout = timeval_of(link->options.timeout_ms);
    char doing[320];
    amqp_socket_t *socket = new_socket(link, err);
    if (!socket)
        return false;
    snprintf(doing, sizeof doing, "%s %s:%d", definition->is_tls ? "TLS with" : "connecting to", definition->host, definition->port);
    int status = amqp_socket_open_noblock(socket, definition->host, definition->port, &timeout);
    if (status != AMQP_STATUS_OK)
        return amqp_link_said(link, err, doing, status);
    if (link->options.socket)
        link->options.socket(link->options.arg, amqp_get_sockfd(link->state));
    link->is_alive = true;
    return true;
}

/* ------------------------------------------------------------- login
 *
 * By hand and not by amqp_login: so what the broker offers is checked before it
 * is used, and the password is in memory that is wiped. */

static bool wait_method(struct amqp_link *link, const char *doing, amqp_method_number_t wanted, amqp_method_t *ret, struct su_err *err)
{
    int64_t until_ms = su_mono_ms() + link->options.timeout_ms;
    for (;;) {
        amqp_frame_t frame;
        int64_t left_ms = until_ms - su_mono_ms();
        struct timeval timeout = timeval_of(left_ms > 0 ? (int)left_ms : 0);
        int status = amqp_simple_wait_frame_noblock(link->state, &frame, &timeout);
        if (status != AMQP_STATUS_OK)
            return amqp_link_said(link, err, doing, status);
        if (frame.frame_type == PROTOCOL_HEADER) {
            link->is_alive = false;
            return su_fail(err, SU_UNAVAILABLE, "%s: the broker speaks another version of AMQP than 0-9-1", doing);
        }
        if (frame.frame_type != AMQP_FRAME_METHOD || frame.channel != 0)
            continue;
        if (frame.payload.method.id != wanted)
            return amqp_link_closed(link, err, doing, &frame.payload.method);
        *ret = frame.payload.method;
        return true;
    }
}

static void copy_property(const amqp_table_t *table, const char *name, char *ret, size_t size)
{
    for (int i = 0; i < table->num_entries; i++) {
        const amqp_table_entry_t *entry = &table->entries[i];
        struct su_str value = str(entry->value.value.bytes);
        if (!su_str_equal(str(entry->key), su_str_of(name)) || entry->value.kind != AMQP_FIELD_KIND_UTF8 || !su_utf8_valid(value))
            continue;
        size_t len = value.len < size - 1 ? value.len : size - 1;
        memcpy(ret, value.ptr, len);
        ret[su_utf8_valid((struct su_str){ret, len}) ? len : 0] = '\0';
    }
}

static amqp_table_entry_t entry_text(const char *name, const char *text)
{
    return (amqp_table_entry_t){bytes_of(name), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes_of(text)}};
}
static amqp_table_entry_t entry_true(const char *name)
{
    return (amqp_table_entry_t){bytes_of(name), {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
}

static bool send_login(struct amqp_link *link, struct su_str password, struct su_err *err)
{
    amqp_table_entry_t able[] = {entry_true("authentication_failure_close"), entry_true("consumer_cancel_notify"), entry_true("basic.nack")};
    amqp_table_entry_t about[] = {
        entry_text("product", "Suricate"), entry_text("version", SURICATE_VERSION),
        {bytes_of("capabilities"), {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {SU_COUNT(able), able}}}};
    size_t user_len = strlen(link->definition->user), size = user_len + password.len + 2;
    char *response = su_guarded_alloc(size);    /* NUL user NUL password */
    memcpy(response + 1, link->definition->user, user_len);
    memcpy(response + 2 + user_len, password.ptr, password.len);
    amqp_connection_start_ok_t start_ok = {.client_properties = {SU_COUNT(about), about}, .mechanism = bytes_of("PLAIN"),
                                           .response = {size, response}, .locale = bytes_of("en_US")};
    int status = amqp_send_method(link->state, 0, AMQP_CONNECTION_START_OK_METHOD, &start_ok);
    su_guarded_free(response, size);
    return status == AMQP_STATUS_OK || amqp_link_said(link, err, "login", status);
}

static bool greet(struct amqp_link *link, struct su_err *err)
{
    amqp_method_t method;
    int status = amqp_send_header(link->state);
    if (status != AMQP_STATUS_OK)
        return amqp_link_said(link, err, "login", status);
    if (!wait_method(link, "login", AMQP_CONNECTION_START_METHOD, &method, err))
        return false;
    const amqp_connection_start_t *start = method.decoded;
    copy_property(&start->server_properties, "product", link->product, sizeof link->product);
    copy_property(&start->server_properties, "version", link->version, sizeof link->version);
    if (!start->mechanisms.bytes || !memmem(start->mechanisms.bytes, start->mechanisms.len, "PLAIN", 5))
        return su_fail(err, SU_UNAVAILABLE, "login: the broker does not take a user and password (mechanism PLAIN)");
    return true;
}

/* The smaller of two where 0 is "no limit". */
static int least(int a, int b) { return a == 0 || (b != 0 && b < a) ? b : a; }

static bool tune(struct amqp_link *link, struct su_err *err)
{
    amqp_method_t method;
    if (!wait_method(link, "login", AMQP_CONNECTION_TUNE_METHOD, &method, err))
        return false;
    const amqp_connection_tune_t *offer = method.decoded;
    if (offer->frame_max != 0 && offer->frame_max < FRAME_MIN)
        return su_fail(err, SU_UNAVAILABLE, "login: the broker offers frames of %u bytes, and the protocol's least is %d", offer->frame_max, FRAME_MIN);
    amqp_connection_tune_ok_t chosen = {
        .channel_max = (uint16_t)least(offer->channel_max, 64),
        .frame_max = offer->frame_max == 0 ? FRAME_STANDARD : offer->frame_max < FRAME_MAX ? offer->frame_max : FRAME_MAX,
        .heartbeat = (uint16_t)least(offer->heartbeat, link->definition->heartbeat_s)};
    if (chosen.channel_max < FIRST_LOOK + 3)
        return su_fail(err, SU_UNAVAILABLE, "login: the broker allows only %u channels", (unsigned)chosen.channel_max);
    int status = amqp_tune_connection(link->state, chosen.channel_max, (int)chosen.frame_max, chosen.heartbeat);
    if (status == AMQP_STATUS_OK)
        status = amqp_send_method(link->state, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &chosen);
    return status == AMQP_STATUS_OK || amqp_link_said(link, err, "login", status);
}

static bool open_vhost(struct amqp_link *link, struct su_err *err)
{
    amqp_connection_open_t open = {.virtual_host = bytes_of(link->definition->vhost)};
    amqp_method_number_t answers[] = {AMQP_CONNECTION_OPEN_OK_METHOD, 0};
    return check_reply(link, amqp_simple_rpc(link->state, 0, AMQP_CONNECTION_OPEN_METHOD, answers, &open), "opening the vhost", err);
}

bool amqp_link_open(const struct amqp_definition *definition, struct su_str password, const struct amqp_link_options *options,
                    struct amqp_link **ret, struct su_err *err)
{
    struct amqp_link *link = su_alloc(sizeof *link);
    *link = (struct amqp_link){.definition = definition, .options = *options, .state = amqp_new_connection(), .next_look = FIRST_LOOK,
                               .headers = SU_BUF(AMQP_HEADERS_MAX), .body = SU_BUF(options->body_max + 1)};
    su_assert(link->state != NULL);
    if (link->options.timeout_ms == 0)
        link->options.timeout_ms = TIMEOUT_MS;
    struct timeval timeout = timeval_of(link->options.timeout_ms);
    amqp_set_rpc_timeout(link->state, &timeout);
    if (!connect_to(link, err) || !greet(link, err) || !send_login(link, password, err) || !tune(link, err) || !open_vhost(link, err)) {
        link->is_alive = false;
        amqp_link_close(link);
        return false;
    }
    amqp_maybe_release_buffers(link->state);
    link->beat_ms = su_mono_ms();
    *ret = link;
    return true;
}

void amqp_link_close(struct amqp_link *link)
{
    if (!link)
        return;
    if (link->is_alive)
        amqp_connection_close(link->state, AMQP_REPLY_SUCCESS);
    if (link->options.socket)
        link->options.socket(link->options.arg, -1);
    amqp_destroy_connection(link->state);
    su_buf_done(&link->headers);
    su_buf_done(&link->body);
    free(link);
}

void amqp_link_break(int fd) { shutdown(fd, SHUT_RDWR); }
const char *amqp_link_product(const struct amqp_link *link) { return link->product; }
const char *amqp_link_version(const struct amqp_link *link) { return link->version; }

/* ----------------------------------------------------------- declare */

bool amqp_link_channel(struct amqp_link *link, amqp_channel_t channel, struct su_err *err)
{
    amqp_channel_open(link->state, channel);
    return amqp_link_check(link, "opening a channel", err);
}

/* After the broker closed a channel it waits for this. */
static void leave_channel(struct amqp_link *link, amqp_channel_t channel)
{
    amqp_channel_close_ok_t ok = {0};
    if (link->is_alive)
        amqp_send_method(link->state, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    amqp_maybe_release_buffers_on_channel(link->state, channel);
}

static bool declare_on(struct amqp_link *link, amqp_channel_t channel, bool is_passive, struct amqp_queue *ret, struct su_err *err)
{
    const struct amqp_definition *definition = link->definition;
    struct su_arena *arena = su_arena_new();
    amqp_table_t arguments = is_passive ? amqp_empty_table : amqp_headers_table(definition->arguments, arena, 1);
    if (!is_passive && strcmp(definition->type, "classic") != 0)
        arguments.entries[arguments.num_entries++] = entry_text("x-queue-type", definition->type);
    const amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(link->state, channel, bytes_of(definition->queue), is_passive, is_passive || definition->is_durable, 0, 0, arguments);
    bool is_done = amqp_link_check(link, is_passive ? "looking for the queue" : "declaring the queue", err);
    if (is_done)
        *ret = (struct amqp_queue){ok->message_count, ok->consumer_count};
    su_arena_free(arena);
    return is_done;
}

static bool bind_on(struct amqp_link *link, amqp_channel_t channel, struct su_err *err)
{
    const struct amqp_definition *definition = link->definition;
    for (size_t i = 0; i < definition->binding_count; i++) {
        const struct amqp_binding *binding = &definition->bindings[i];
        struct su_arena *arena = su_arena_new();
        char doing[300];
        amqp_queue_bind(link->state, channel, bytes_of(definition->queue), bytes_of(binding->exchange), bytes_of(binding->routing_key),
                        amqp_headers_table(binding->headers, arena, 0));
        su_arena_free(arena);
        snprintf(doing, sizeof doing, "binding to the exchange \"%s\"", binding->exchange);
        if (!amqp_link_check(link, doing, err))
            return false;
    }
    return true;
}

/* One request or a few on a channel of their own, which a refusal closes. */
static bool on_a_channel(struct amqp_link *link, bool is_passive, bool binds, struct amqp_queue *ret, struct su_err *err)
{
    amqp_channel_t channel = link->next_look++;
    if (!amqp_link_channel(link, channel, err))
        return false;
    if (!declare_on(link, channel, is_passive, ret, err) || (binds && !bind_on(link, channel, err))) {
        leave_channel(link, channel);
        return false;
    }
    amqp_rpc_reply_t reply = amqp_channel_close(link->state, channel, AMQP_REPLY_SUCCESS);
    amqp_maybe_release_buffers_on_channel(link->state, channel);
    return check_reply(link, reply, "closing a channel", err);
}

bool amqp_link_declare(struct amqp_link *link, bool only_look, struct amqp_queue *ret, struct su_err *err)
{
    const struct amqp_definition *definition = link->definition;
    bool is_there = on_a_channel(link, true, !definition->is_declared && !only_look, ret, err);
    if (only_look || !definition->is_declared || (!is_there && err->code != SU_NOT_FOUND))
        return is_there;
    if (on_a_channel(link, false, true, ret, err))
        return true;
    if (is_there && err->code == SU_CONFLICT)
        su_hint(err, "the queue is there with other arguments: change the definition's \"declare\", leave it out, or delete the queue");
    return false;
}

static bool consume_as(struct amqp_link *link, bool is_stream, int64_t offset, struct su_err *err)
{
    amqp_table_entry_t entry = entry_text("x-stream-offset", "first");
    if (offset >= 0)
        entry.value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = offset};
    if (!amqp_link_channel(link, AMQP_LINK_CHANNEL, err))
        return false;
    amqp_basic_qos(link->state, AMQP_LINK_CHANNEL, 0, (uint16_t)link->definition->prefetch, 0);
    if (!amqp_link_check(link, "setting the prefetch", err))
        return false;
    amqp_basic_consume(link->state, AMQP_LINK_CHANNEL, bytes_of(link->definition->queue), bytes_of("suricate"), 0, 0, 0, (amqp_table_t){is_stream, &entry});
    return amqp_link_check(link, "consuming", err);
}

/* Nobody says of what type a queue is that somebody else declared: one that is no stream refuses an offset. */
bool amqp_link_consume(struct amqp_link *link, int64_t offset, struct su_err *err)
{
    const char *type = link->definition->type;
    if (*type)
        return consume_as(link, strcmp(type, "stream") == 0, offset, err);
    if (consume_as(link, true, offset, err))
        return true;
    if (err->code != SU_CONFLICT || !strstr(err->message, "x-stream-offset"))
        return false;
    leave_channel(link, AMQP_LINK_CHANNEL);
    return consume_as(link, false, offset, err);
}

/* ----------------------------------------------------------- receive */

static void release(struct amqp_link *link)
{
    amqp_maybe_release_buffers_on_channel(link->state, AMQP_LINK_CHANNEL);
    link->is_held = false;
}

static void take_properties(struct amqp_link *link, const amqp_basic_properties_t *properties)
{
    struct amqp_message *message = &link->message;
    bool has_id = properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG && properties->message_id.len > 0 && properties->message_id.len < sizeof link->id;
    if (has_id)
        memcpy(link->id, properties->message_id.bytes, properties->message_id.len);
    message->id = has_id && su_utf8_valid(str(properties->message_id)) ? (struct su_str){link->id, properties->message_id.len} : (struct su_str){0};
    message->time_us = properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG ? amqp_headers_time(properties->timestamp) : 0;
    su_buf_clear(&link->headers);
    message->headers = amqp_headers_json(&link->delivery, properties, &link->headers);
}

static bool begin_body(struct amqp_link *link, const amqp_frame_t *frame, struct su_err *err)
{
    if (link->part != PART_HEADER || frame->payload.properties.class_id != AMQP_BASIC_CLASS)
        return su_fail(err, SU_UNAVAILABLE, "receiving: a header came where none belongs");
    take_properties(link, frame->payload.properties.decoded);
    link->message.size = frame->payload.properties.body_size;
    link->message.body = (struct su_str){"", 0};
    link->got = 0;
    link->part = PART_BODY;
    return true;
}

/* A body of one frame stays where it is; others are gathered, and their frames given back one by one. */
static bool add_body(struct amqp_link *link, amqp_bytes_t piece, struct su_err *err)
{
    struct amqp_message *message = &link->message;
    if (link->part != PART_BODY || piece.len > message->size - link->got)
        return su_fail(err, SU_UNAVAILABLE, "receiving: more of a body came than was announced");
    if (piece.len == message->size && piece.len <= link->options.body_max) {
        message->body = str(piece);
        link->got = piece.len;
        return true;
    }
    if (link->got == 0 && link->body.capacity > BODY_KEPT) {
        su_buf_done(&link->body);
        link->body = SU_BUF(link->options.body_max + 1);
    }
    if (link->got == 0)
        su_buf_clear(&link->body);
    uint64_t room = link->options.body_max - link->body.len;
    su_buf_add(&link->body, piece.bytes, piece.len < room ? piece.len : room);
    link->got += piece.len;
    message->body = su_buf_str(&link->body);
    release(link);
    return true;
}

static bool take_method(struct amqp_link *link, const amqp_frame_t *frame, struct su_err *err)
{
    const amqp_method_t *method = &frame->payload.method;
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD || (method->id == AMQP_CHANNEL_CLOSE_METHOD && frame->channel == AMQP_LINK_CHANNEL))
        return amqp_link_closed(link, err, "receiving", method);
    if (frame->channel != AMQP_LINK_CHANNEL)
        return true;
    if (method->id == AMQP_BASIC_CANCEL_METHOD)
        return su_fail(err, SU_NOT_FOUND, "receiving: the broker cancelled the consumer (basic.cancel): the queue \"%.200s\" was deleted, or its node is gone",
                       link->definition->queue);
    if (method->id != AMQP_BASIC_DELIVER_METHOD)
        return true;
    if (link->part != PART_METHOD)
        return su_fail(err, SU_UNAVAILABLE, "receiving: a message began within another");
    link->delivery = *(const amqp_basic_deliver_t *)method->decoded;
    link->message = (struct amqp_message){.tag = link->delivery.delivery_tag, .is_redelivered = link->delivery.redelivered != 0};
    link->part = PART_HEADER;
    return true;
}

static bool take_frame(struct amqp_link *link, const amqp_frame_t *frame, struct su_err *err)
{
    if (frame->frame_type == AMQP_FRAME_METHOD)
        return take_method(link, frame, err);
    if (frame->channel != AMQP_LINK_CHANNEL)
        return true;
    if (frame->frame_type == AMQP_FRAME_HEADER)
        return begin_body(link, frame, err);
    return frame->frame_type != AMQP_FRAME_BODY || add_body(link, frame->payload.body_fragment, err);
}

enum amqp_next amqp_link_next(struct amqp_link *link, struct amqp_message *ret, struct su_err *err)
{
    if (link->is_held)
        release(link);
    for (;;) {
        amqp_frame_t frame;
        struct timeval now = {0};
        int status = amqp_simple_wait_frame_noblock(link->state, &frame, &now);
        if (status == AMQP_STATUS_TIMEOUT)
            return AMQP_NOTHING;
        if (status != AMQP_STATUS_OK) {
            amqp_link_said(link, err, "receiving", status);
            return AMQP_BROKEN;
        }
        if (!take_frame(link, &frame, err))
            return AMQP_BROKEN;
        if (link->part == PART_METHOD)
            release(link);      /* of no message */
        if (link->part == PART_BODY && link->got == link->message.size) {
            link->part = PART_METHOD;
            link->is_held = true;
            *ret = link->message;
            return AMQP_MESSAGE;
        }
    }
}

int amqp_link_fd(const struct amqp_link *link) { return amqp_get_sockfd(link->state); }

int amqp_link_wait_ms(const struct amqp_link *link)
{
    int heartbeat_s = amqp_get_heartbeat(link->state);
    return heartbeat_s > 0 ? heartbeat_s * 1000 / 4 : 60 * 1000;
}

bool amqp_link_beat(struct amqp_link *link, struct su_err *err)
{
    int64_t now_ms = su_mono_ms();
    if (amqp_get_heartbeat(link->state) <= 0 || now_ms - link->beat_ms < amqp_link_wait_ms(link))
        return true;
    amqp_frame_t beat = {.frame_type = AMQP_FRAME_HEARTBEAT, .channel = 0};
    link->beat_ms = now_ms;
    int status = amqp_send_frame(link->state, &beat);
    return status == AMQP_STATUS_OK || amqp_link_said(link, err, "sending a heartbeat", status);
}

bool amqp_link_ack(struct amqp_link *link, uint64_t tag, struct su_err *err)
{
    int status = amqp_basic_ack(link->state, AMQP_LINK_CHANNEL, tag, 1);
    return status == AMQP_STATUS_OK || amqp_link_said(link, err, "acknowledging", status);
}

bool amqp_link_cancel(struct amqp_link *link, struct su_err *err)
{
    if (!link->is_alive)
        return su_fail(err, SU_UNAVAILABLE, "the connection is gone");
    amqp_basic_cancel(link->state, AMQP_LINK_CHANNEL, bytes_of("suricate"));
    return amqp_link_check(link, "cancelling the consumer", err);
}
