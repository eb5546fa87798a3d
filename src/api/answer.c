/* Answers as text: see answer.h.  Layer api. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include "stream_items.h"

bool answer_format_read(const struct request *request, enum answer_format *ret, struct su_err *err)
{
    static const char *const names[ANSWER_FORMAT_COUNT] = {"json", "ndjson", "csv"};
    const char *given = request_query(request, "format");
    *ret = ANSWER_JSON;
    for (unsigned i = 0; given && i < ANSWER_FORMAT_COUNT; i++)
        if (strcmp(given, names[i]) == 0) {
            *ret = (enum answer_format)i;
            return true;
        }
    return !given ||
           su_fail_field(err, SU_INVALID, "format", "format: must be json, ndjson or csv, was \"%.32s\"", given);
}

void answer_init(struct answer *answer, enum answer_format format, size_t bytes_max)
{
    *answer = (struct answer){.format = format, .has_kinds = true, .text = SU_BUF(bytes_max)};
}

void answer_done(struct answer *answer)
{
    for (size_t i = 0; i < answer->columns; i++)
        free(answer->names[i]);
    free(answer->names);
    free(answer->kinds);
    su_buf_done(&answer->text);
}

void answer_column(struct answer *answer, const char *name)
{
    answer->names = su_realloc(answer->names, (answer->columns + 1) * sizeof *answer->names);
    answer->kinds = su_realloc(answer->kinds, (answer->columns + 1) * sizeof *answer->kinds);
    answer->kinds[answer->columns] = 0;
    answer->names[answer->columns++] = su_strdup(name);
}

static void add_value(struct answer *answer, const struct block_value *value)
{
    struct su_buf *out = &answer->text;
    switch (value->kind) {
    case BLOCK_INT:
        su_buf_addf(out, "%lld", (long long)value->integer);
        return;
    case BLOCK_BOOL:
        su_buf_adds(out, value->integer ? "true" : "false");
        return;
    case BLOCK_FLOAT:
        su_json_add_number(out, value->number);
        return;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        if (answer->format == ANSWER_CSV)
            csv_text(value->text, out);
        else
            su_json_add_text(out, value->text);
        return;
    }
    su_buf_adds(out, answer->format == ANSWER_CSV ? "" : "null");
}

static enum block_kind wider(enum block_kind a, enum block_kind b)
{
    if (!a || !b || a == b)
        return a ? a : b;
    bool are_numbers = (a == BLOCK_INT || a == BLOCK_FLOAT) && (b == BLOCK_INT || b == BLOCK_FLOAT);
    return are_numbers ? BLOCK_FLOAT : BLOCK_TEXT;
}

void answer_value(struct answer *answer, const struct block_value *value)
{
    struct su_buf *out = &answer->text;
    size_t at = answer->at;
    if (at == 0 && answer->format == ANSWER_JSON)
        su_buf_adds(out, answer->rows ? ",\n[" : "[");
    if (at == 0 && answer->format == ANSWER_NDJSON)
        su_buf_addc(out, '{');
    if (at > 0)
        su_buf_addc(out, ',');
    if (answer->format == ANSWER_NDJSON) {
        su_json_add_text(out, su_str_of(answer->names[at]));
        su_buf_addc(out, ':');
    }
    add_value(answer, value);
    answer->kinds[at] = wider(answer->kinds[at], value->kind);
    answer->at = (at + 1) % answer->columns;
    if (answer->at > 0)
        return;
    answer->rows++;
    su_buf_adds(out, answer->format == ANSWER_JSON ? "]" : answer->format == ANSWER_NDJSON ? "}\n" : "\n");
}

void answer_add_text(struct answer *answer, struct su_str text, uint64_t rows)
{
    if (rows == 0)
        return;
    /* Each text begins as if rows stood before it. */
    size_t skip = answer->format == ANSWER_JSON && answer->rows == 0 && text.len > 2 && text.ptr[0] == ',' ? 2 : 0;
    su_buf_add(&answer->text, text.ptr + skip, text.len - skip);
    answer->rows += rows;
}

static void add_columns(const struct answer *answer, struct su_buf *out)
{
    static const char *const kinds[] = {"null",
                                        [BLOCK_INT] = "int",
                                        [BLOCK_FLOAT] = "float",
                                        [BLOCK_BOOL] = "bool",
                                        [BLOCK_TEXT] = "text",
                                        [BLOCK_JSON] = "text"};
    su_buf_adds(out, "{\"columns\":[");
    for (size_t i = 0; i < answer->columns; i++) {
        su_buf_adds(out, i ? "," : "");
        su_buf_adds(out, answer->has_kinds ? "{\"name\":" : "");
        su_json_add_text(out, su_str_of(answer->names[i]));
        if (answer->has_kinds)
            su_buf_addf(out, ",\"kind\":\"%s\"}", kinds[answer->kinds[i]]);
    }
    su_buf_adds(out, "],\n\"rows\":[");
}

static void add_head(const struct answer *answer, struct su_buf *out)
{
    if (answer->format == ANSWER_JSON)
        add_columns(answer, out);
    for (size_t i = 0; answer->format == ANSWER_CSV && i < answer->columns; i++) {
        su_buf_adds(out, i ? "," : "");
        csv_text(su_str_of(answer->names[i]), out);
    }
    if (answer->format == ANSWER_CSV)
        su_buf_addc(out, '\n');
}

void answer_reply(struct answer *answer, struct reply *reply, json_t *more)
{
    static const char *const types[ANSWER_FORMAT_COUNT] = {"application/json", "application/x-ndjson",
                                                           "text/csv; charset=utf-8"};
    SU_AUTO_JSON json_t *rest = more;
    struct su_err err;
    SU_AUTO_BUF struct su_buf out = SU_BUF(answer->text.max + (4u << 20));
    add_head(answer, &out);
    su_buf_add(&out, answer->text.ptr, answer->text.len);
    if (answer->format == ANSWER_JSON) {
        SU_AUTO_FREE char *tail = rest ? su_json_text(rest) : NULL;
        su_buf_adds(&out, "]");
        su_buf_adds(&out, tail && json_object_size(rest) ? "," : "}");
        su_buf_adds(&out, tail && json_object_size(rest) ? tail + 1 : "");
        su_buf_addc(&out, '\n');
    }
    size_t len;
    if (answer->text.failed || out.failed) {
        su_fail(&err, SU_LIMIT, "the answer is larger than %zu MiB", answer->text.max >> 20);
        su_hint(&err, "ask for fewer rows or columns");
        reply_error(reply, &err);
        return;
    }
    char *text = su_buf_take(&out, &len);
    reply_take(reply, 200, types[answer->format], text, len);
}
