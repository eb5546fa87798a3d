/* Structured logs: see log.h.  Layer base; any thread (one write per line). */
#include "log.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "str.h"

static const char *const level_names[SU_LOG_LEVEL_COUNT] = {"debug", "info", "warning", "error"};
static _Atomic int threshold = SU_LOG_INFO;

void su_log_set_level(enum su_log_level level) { atomic_store(&threshold, (int)level); }

bool su_log_level_parse(const char *name, enum su_log_level *ret)
{
    for (int i = 0; i < SU_LOG_LEVEL_COUNT; i++)
        if (strcmp(level_names[i], name) == 0) {
            *ret = (enum su_log_level)i;
            return true;
        }
    return false;
}

static json_t *kv_value(const struct su_kv *field)
{
    if (field->kind == SU_KV_INT)
        return json_integer(field->integer);
    if (field->kind == SU_KV_NUMBER)
        return json_real(field->number);
    json_t *text = field->text ? json_string(field->text) : NULL;
    return text ? text : json_null();
}

void su_log_write(enum su_log_level level, const char *event, const struct su_kv *fields)
{
    if ((int)level < atomic_load(&threshold))
        return;
    char at[SU_TIME_TEXT];
    json_t *line = json_pack("{s:s, s:s, s:s}", "at", su_time_text(su_now_ms(), at), "level", level_names[level], "event", event);
    for (; fields->kind != SU_KV_END; fields++)
        json_object_set_new(line, fields->key, kv_value(fields));
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (!text)
        return;
    size_t length = strlen(text);
    text[length] = '\n';    /* the NUL's place; written with its length */
    ssize_t written = write(STDERR_FILENO, text, length + 1);
    (void)written;          /* there is nowhere to report a log that can't be written */
    free(text);
}
