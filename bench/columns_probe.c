/* Messages to columns and back, in one thread and in memory: what bench/frame measures of the server's insides.
 *
 *   columns-probe FILE.ndjson FOLDER     prints one JSON line: CPU seconds of each step, sizes; writes FOLDER/head.columns
 *                                        (blocks as pushes leave them) and FOLDER/sealed.columns
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregate/json_block.h"
#include "base/fs.h"

enum { BATCH = 1000, SEALED = 131072, HEADS = (SEALED + BATCH - 1) / BATCH };

static struct su_err err;

static void must(bool is_done)
{
    if (is_done)
        return;
    fprintf(stderr, "columns-probe: %s\n", err.message);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void finish(struct block_builder *builder, uint64_t *first, struct su_buf *out)
{
    must(block_finish(builder, *first, out, &err));
    *first += block_builder_rows(builder);
    block_builder_clear(builder);
}

/* As push does it: a block for each batch of messages. */
static double parse(struct su_str text, struct su_buf *ret, uint64_t *ret_rows)
{
    struct json_parser *parser = json_parser_new();
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    double begin = cpu_s();
    *ret_rows = 0;
    for (struct su_str line; text.len > 0;) {
        su_str_cut(text, '\n', &line, &text);
        block_begin(builder);
        must(json_parser_row(parser, line, builder, &err));
        struct block_value ts = block_row_value(builder, SU_STR("ts"));
        int64_t time_us = ts.kind == BLOCK_INT ? ts.integer : (int64_t)(ts.number * 1e6);
        struct block_message message = {.time_us = time_us, .arrival_us = 1700000000000000 + (int64_t)*ret_rows / BATCH * 1000, .body = line};
        must(block_end(builder, &message, &err));
        if (block_builder_rows(builder) == BATCH)
            finish(builder, ret_rows, ret);
    }
    if (block_builder_rows(builder) > 0)
        finish(builder, ret_rows, ret);
    double end = cpu_s();
    json_parser_free(parser);
    return end - begin;
}

/* As sealing does it. */
static double seal(const struct su_buf *heads, struct su_buf *ret)
{
    static struct block blocks[HEADS];
    static struct block_slice slices[HEADS];
    double begin = cpu_s();
    for (size_t at = 0; at < heads->len;) {
        size_t count = 0;
        uint32_t rows;
        for (; count < HEADS && at < heads->len; count++) {
            must(block_open(heads->ptr + at, heads->len - at, &blocks[count], &err));
            slices[count] = (struct block_slice){&blocks[count], 0, blocks[count].rows};
            at += blocks[count].size;
        }
        must(block_merge(slices, count, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, ret, &rows, &err));
        while (count > 0)
            block_done(&blocks[--count]);
    }
    return cpu_s() - begin;
}

/* Every field of every message, decoded and summed. */
static double scan(const struct su_buf *sealed, double *ret_sum)
{
    enum { STRETCH = 4096 };
    static double numbers[STRETCH];
    static uint32_t codes[STRETCH];
    double begin = cpu_s(), sum = 0;
    for (size_t at = 0; at < sealed->len;) {
        BLOCK_AUTO struct block block = {0};
        must(block_open(sealed->ptr + at, sealed->len - at, &block, &err));
        for (uint32_t c = 0; c < block.column_count; c++) {
            const struct block_column *column = &block.columns[c];
            bool is_text = column->kind == BLOCK_TEXT || column->kind == BLOCK_JSON;
            for (uint32_t row = 0; column->role == BLOCK_FIELD && row < block.rows; row += STRETCH) {
                uint32_t count = block.rows - row < STRETCH ? block.rows - row : STRETCH;
                if (!is_text)
                    block_floats(column, row, count, numbers);
                else if (!block_codes(column, row, count, codes))
                    break;
                for (uint32_t i = 0; i < count; i++)
                    sum += is_text ? (double)codes[i] : numbers[i];
            }
        }
        at += block.size;
    }
    *ret_sum = sum;
    return cpu_s() - begin;
}

/* Every body as it came. */
static double replay(const struct su_buf *sealed, uint64_t *ret_bytes)
{
    double begin = cpu_s();
    *ret_bytes = 0;
    for (size_t at = 0; at < sealed->len;) {
        BLOCK_AUTO struct block block = {0};
        must(block_open(sealed->ptr + at, sealed->len - at, &block, &err));
        for (uint32_t row = 0; row < block.rows; row++) {
            struct su_str body;
            must(block_body(&block, row, &body, &err));
            *ret_bytes += body.len;
        }
        at += block.size;
    }
    return cpu_s() - begin;
}

static void write_file(const char *folder, const char *name, const struct su_buf *content)
{
    SU_AUTO_FREE char *path = su_format("%s/%s", folder, name);
    must(su_file_replace(path, su_buf_str(content), 0600, &err));
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "columns-probe FILE.ndjson FOLDER\n"), 2;
    const size_t most = (size_t)8 << 30;
    SU_AUTO_BUF struct su_buf text = SU_BUF(most), heads = SU_BUF(most), sealed = SU_BUF(most);
    uint64_t rows, bytes;
    double sum;
    must(su_file_read(argv[1], most, &text, &err));
    double parsed_s = parse(su_buf_str(&text), &heads, &rows);
    double sealed_s = seal(&heads, &sealed), scanned_s = scan(&sealed, &sum), replayed_s = replay(&sealed, &bytes);
    write_file(argv[2], "head.columns", &heads);
    write_file(argv[2], "sealed.columns", &sealed);
    printf("{\"rows\":%llu,\"raw_bytes\":%llu,\"head_bytes\":%zu,\"sealed_bytes\":%zu,\"parse_s\":%.6f,\"seal_s\":%.6f,\"scan_s\":%.6f,"
           "\"replay_s\":%.6f,\"sum\":%.17g}\n",
           (unsigned long long)rows, (unsigned long long)bytes, heads.len, sealed.len, parsed_s, sealed_s, scanned_s, replayed_s, sum);
    return 0;
}
