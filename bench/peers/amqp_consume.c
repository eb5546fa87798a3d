/* The bare consumer beside bench/amqp: librabbitmq as its examples use it, the same prefetch, one acknowledgement for
 * many, and everything is discarded.  amqp_consume PORT QUEUE PREFETCH ACK_EVERY COUNT IS_STREAM: prints seconds and CPU
 * seconds. */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void need(amqp_connection_state_t state, const char *what)
{
    if (amqp_get_rpc_reply(state).reply_type != AMQP_RESPONSE_NORMAL) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    long prefetch = strtol(argv[3], NULL, 10), every = strtol(argv[4], NULL, 10), count = strtol(argv[5], NULL, 10), got = 0;
    amqp_connection_state_t state = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(state);
    if (amqp_socket_open(socket, "127.0.0.1", (int)strtol(argv[1], NULL, 10)) != AMQP_STATUS_OK)
        return 1;
    if (amqp_login(state, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type != AMQP_RESPONSE_NORMAL)
        return 1;
    amqp_channel_open(state, 1);
    need(state, "channel");
    amqp_basic_qos(state, 1, 0, (uint16_t)prefetch, 0);
    need(state, "qos");
    amqp_table_entry_t first = {amqp_cstring_bytes("x-stream-offset"), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("first")}};
    double began = now();
    amqp_basic_consume(state, 1, amqp_cstring_bytes(argv[2]), amqp_empty_bytes, 0, 0, 0, (amqp_table_t){argv[6][0] == '1', &first});
    need(state, "consume");
    while (got < count) {
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(state);
        if (amqp_consume_message(state, &envelope, NULL, 0).reply_type != AMQP_RESPONSE_NORMAL)
            return 1;
        if (++got % every == 0 || got == count)
            amqp_basic_ack(state, 1, envelope.delivery_tag, 1);
        amqp_destroy_envelope(&envelope);
    }
    double took = now() - began;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    amqp_channel_close(state, 1, AMQP_REPLY_SUCCESS);
    amqp_connection_close(state, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state);
    printf("%.6f %.6f\n", took, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return 0;
}
