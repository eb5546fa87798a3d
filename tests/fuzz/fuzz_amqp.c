/* What brokers and definitions say: an address that is taken has a host, and any table of headers becomes JSON.  Tests.
 * The first byte chooses: u an address, d a definition, t a table in AMQP's encoding. */
#include "fuzz.h"

#include "aggregate/amqp_definition.h"
#include "aggregate/amqp_headers.h"

static void address(struct su_str text)
{
    SU_AUTO_FREE char *url = su_strndup(text.ptr, text.len), *host = NULL, *vhost = NULL;
    struct su_err err;
    int port;
    bool is_tls;
    if (amqp_url_read(url, &host, &port, &vhost, &is_tls, &err))
        FUZZ_HOLDS(*host && strlen(vhost) <= AMQP_NAME_MAX && port > 0 && port < 65536);
}

static void definition(struct su_str text)
{
    struct su_err err;
    SU_AUTO_JSON json_t *json = NULL;
    if (su_json_parse(text, "source", &json, &err))
        (void)!amqp_definition_check(json, &err);
}

static void table(const uint8_t *data, size_t size)
{
    amqp_pool_t pool;
    size_t at = 0;
    struct su_err err;
    amqp_basic_deliver_t delivery = {0};
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG};
    SU_AUTO_BUF struct su_buf out = SU_BUF(AMQP_HEADERS_MAX);
    init_amqp_pool(&pool, 4096);
    if (size < 8192 && amqp_decode_table((amqp_bytes_t){size, (void *)(uintptr_t)data}, &pool, &properties.headers, &at) == AMQP_STATUS_OK) {
        SU_AUTO_JSON json_t *json = NULL;
        struct su_str text = amqp_headers_json(&delivery, &properties, &out);
        FUZZ_HOLDS(!text.ptr || su_json_parse(text, "headers", &json, &err));
    }
    empty_amqp_pool(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'u')
        address(fuzz_text(data + 1, size - 1));
    else if (data[0] == 'd')
        definition(fuzz_text(data + 1, size - 1));
    else
        table(data + 1, size - 1);
    return 0;
}
