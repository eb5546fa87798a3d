/* What a stream is, for people.  Layer cli; main thread. */
#include <string.h>

#include "cli/output.h"
#include "cli/pages.h"
#include "cli/stream.h"

static void add(struct output_table *table, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    output_table_add(table, name);
    output_table_add(table, text);
}

static const char *text_of(const json_t *object, const char *key) { return su_json_string(object, key, ""); }

/* Where messages come from, and how that goes. */
static void add_source(struct output_table *table, const json_t *record, const json_t *definition)
{
    const json_t *source = json_object_get(definition, "source"), *status = json_object_get(record, "source");
    const char *kind = text_of(source, "kind"), *state = text_of(status, "state"), *message = text_of(status, "message");
    add(table, "source", kind);
    add(table, "  broker", text_of(source, "url"));
    add(table, "  queue", text_of(source, "queue"));
    add(table, "  computed from", text_of(source, "from"));
    add(table, "  every", text_of(source, "every"));
    add(table, "  by sql", text_of(source, "sql"));
    const json_t *aggregates = json_object_get(source, "aggregates"), *by = json_object_get(source, "by");
    SU_AUTO_FREE char *what = aggregates ? output_value(aggregates) : NULL;
    SU_AUTO_FREE char *keys = json_array_size(by) ? output_value(by) : NULL;
    add(table, "  aggregates", what);
    add(table, "  by", keys);
    if (strcmp(kind, "push") == 0 || strcmp(kind, "system") == 0)
        return;
    SU_AUTO_FREE char *line = su_format("%s%s%s", state, *message ? ": " : "", message);
    add(table, "  state", line);
}

static void add_retention(struct output_table *table, const json_t *retention)
{
    char size[OUTPUT_TEXT];
    const char *age = su_json_string(retention, "age", "0s");
    int64_t bytes = su_json_int(retention, "bytes", 0), messages = su_json_int(retention, "messages", 0);
    SU_AUTO_BUF struct su_buf text = SU_BUF(1024);
    su_buf_adds(&text, strcmp(age, "0s") == 0 ? "for ever" : age);
    if (bytes)
        su_buf_addf(&text, ", at most %s", output_size((uint64_t)bytes, size));
    if (messages)
        su_buf_addf(&text, ", at most %lld messages", (long long)messages);
    add(table, "kept", su_buf_str(&text).ptr);
}

static void add_content(struct output_table *table, const json_t *record)
{
    char head[OUTPUT_TEXT], sealed[OUTPUT_TEXT];
    const json_t *offsets = json_object_get(record, "offsets"), *stored = json_object_get(record, "stored");
    const json_t *time = json_object_get(record, "time");
    int64_t first = su_json_int(offsets, "first", 0), next = su_json_int(offsets, "next", 0);
    SU_AUTO_FREE char *count = su_format("%lld, offsets %lld to %lld", (long long)su_json_int(record, "messages", next - first),
                                         (long long)first, (long long)(next - 1));
    SU_AUTO_FREE char *times = su_format("%.23s to %.23s UTC", text_of(time, "low"), text_of(time, "high"));
    SU_AUTO_FREE char *size = su_format("%s new, %s sealed", output_size((uint64_t)su_json_int(stored, "head_bytes", 0), head),
                                        output_size((uint64_t)su_json_int(stored, "sealed_bytes", 0), sealed));
    SU_AUTO_FREE char *dead = su_format("%lld (suricate dead-letters)", (long long)su_json_int(record, "dead_letters", 0));
    add(table, "messages", next > first ? count : "none");
    add(table, "event times", *text_of(time, "low") ? times : NULL);
    add(table, "stored", next > first ? size : NULL);
    add(table, "dead letters", su_json_int(record, "dead_letters", 0) ? dead : NULL);
}

void stream_print_summary(const json_t *record)
{
    static const char *const titles[] = {"", ""};
    char made[OUTPUT_TEXT];
    const json_t *definition = json_object_get(record, "definition"), *time = json_object_get(definition, "time");
    const char *field = su_json_string(time, "field", NULL), *delay = text_of(definition, "delay"), *idle = text_of(definition, "idle");
    struct output_table *table = output_table_new(2, titles);
    SU_AUTO_FREE char *place = field ? su_format("from \"%s\" (%s)", field, su_json_string(time, "format", "auto")) : NULL;
    SU_AUTO_FREE char *by = su_format("%s by %s", output_time(text_of(record, "created_at"), made), text_of(record, "created_by"));
    add(table, "name", text_of(record, "name"));
    add(table, "description", text_of(definition, "description"));
    add(table, "state", text_of(record, "state"));
    add_source(table, record, definition);
    add(table, "format", text_of(definition, "format"));
    bool is_derived = json_object_get(json_object_get(definition, "source"), "from") != NULL;
    add(table, "event time", place ? place : is_derived ? "the end of its window" : "arrival");
    add(table, "key", text_of(definition, "key"));
    add(table, "windows wait", strcmp(delay, "0s") == 0 ? NULL : delay);
    add(table, "quiet after", strcmp(idle, "0s") == 0 ? NULL : idle);
    add_retention(table, json_object_get(definition, "retention"));
    add_content(table, record);
    add(table, "made", by);
    output_table_print(table, stdout);
    output_table_free(table);
    const json_t *fields = json_object_get(json_object_get(record, "schema"), "fields");
    if (json_array_size(fields)) {
        puts("\nfields:");
        pages_print_records(fields);
    }
}
