/* Fills a queue for bench/amqp: persistent messages of RECORDS records of 133 bytes and 8 fields each, with confirms.
 * amqp_publish PORT QUEUE COUNT RECORDS */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 500 };

static size_t record(char *text, size_t size, long number)
{
    static const char *const names[] = {"postgres", "nginx", "python3", "sshd", "systemd", "suricate", "chrome", "gcc"};
    return (size_t)snprintf(text, size,
                            "{\"ts\":%ld,\"comm\":\"%s\",\"pid\":%ld,\"call\":\"%s\",\"count\":%ld,\"lat\":%.3f,\"host\":\"node-%02ld\",\"ok\":%s}",
                            1700000000000 + number, names[number * 7 % 8], 1000 + number * 31 % 9000, number % 3 ? "epoll_wait" : "read", number % 100,
                            (double)(number * 37 % 10000) / 7, number % 40, number % 17 ? "true" : "false");
}

static void await_confirms(amqp_connection_state_t state, long upto)
{
    for (long confirmed = 0; confirmed < upto;) {
        amqp_frame_t frame;
        if (amqp_simple_wait_frame(state, &frame) != AMQP_STATUS_OK)
            exit(1);
        if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
            long tag = (long)((amqp_basic_ack_t *)frame.payload.method.decoded)->delivery_tag;
            confirmed = tag > confirmed ? tag : confirmed;
        }
        amqp_maybe_release_buffers(state);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    long count = strtol(argv[3], NULL, 10), records = strtol(argv[4], NULL, 10), number = 0;
    amqp_connection_state_t state = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(state);
    if (amqp_socket_open(socket, "127.0.0.1", (int)strtol(argv[1], NULL, 10)) != AMQP_STATUS_OK ||
        amqp_login(state, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type != AMQP_RESPONSE_NORMAL)
        return 1;
    amqp_channel_open(state, 1);
    amqp_confirm_select(state, 1);
    if (amqp_get_rpc_reply(state).reply_type != AMQP_RESPONSE_NORMAL)
        return 1;
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG, .delivery_mode = 2,
                                          .content_type = amqp_cstring_bytes("application/json")};
    char *body = malloc((size_t)records * 256 + 16);
    for (long message = 1; message <= count; message++) {
        size_t len = 0;
        if (records > 1)
            body[len++] = '[';
        for (long i = 0; i < records; i++) {
            len += record(body + len, 256, number++);
            if (records > 1)
                body[len++] = i + 1 < records ? ',' : ']';
        }
        if (amqp_basic_publish(state, 1, amqp_empty_bytes, amqp_cstring_bytes(argv[2]), 0, 0, &properties, (amqp_bytes_t){len, body}) != AMQP_STATUS_OK)
            return 1;
        if (message % WINDOW == 0 || message == count)
            await_confirms(state, message);
    }
    free(body);
    amqp_connection_close(state, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state);
    return 0;
}
