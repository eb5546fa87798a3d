/* What people read.  Layer cli; main thread. */
#include "cli/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { COLUMNS_MAX = 16, CELL_MAX = 64 << 10 };

struct output_table {
    size_t columns, cells, room;
    bool is_right[COLUMNS_MAX];
    char **text;        /* titles first */
};

struct output_table *output_table_new(size_t columns, const char *const *titles)
{
    su_assert(columns > 0 && columns <= COLUMNS_MAX);
    struct output_table *table = su_alloc(sizeof *table);
    table->columns = columns;
    for (size_t i = 0; i < columns; i++)
        output_table_add(table, titles[i]);
    return table;
}

void output_table_free(struct output_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cells; i++)
        free(table->text[i]);
    free(table->text);
    free(table);
}

/* Control characters of data must not steer the terminal. C1 controls are two bytes in UTF-8. */
static void make_harmless(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f)
            *at = '?';
        else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
            at[0] = at[1] = '?';
    }
}

void output_table_add(struct output_table *table, const char *text)
{
    if (table->cells == table->room) {
        table->room = table->room ? 2 * table->room : 64;
        table->text = su_realloc(table->text, table->room * sizeof *table->text);
    }
    char *copy = su_strdup(text ? text : "");
    make_harmless(copy);
    table->text[table->cells++] = copy;
}

void output_table_addf(struct output_table *table, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_table_add(table, text);
}

void output_table_right(struct output_table *table, size_t column)
{
    su_assert(column < table->columns);
    table->is_right[column] = true;
}

/* Characters, not bytes: continuation bytes take no room. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(const struct output_table *table, size_t column, const char *text, size_t width, FILE *to)
{
    int padding = (int)(width - width_of(text));
    bool is_last = column + 1 == table->columns;
    if (table->is_right[column])
        fprintf(to, "%*s%s", padding, "", text);
    else
        fprintf(to, "%s%*s", text, is_last ? 0 : padding, "");
    fputs(is_last ? "\n" : "  ", to);
}

void output_table_print(const struct output_table *table, FILE *to)
{
    su_assert(table->cells % table->columns == 0);
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->cells; i++) {
        size_t width = width_of(table->text[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    bool is_untitled = !*table->text[0];
    for (size_t i = is_untitled ? table->columns : 0; i < table->cells; i++)
        print_cell(table, i % table->columns, table->text[i], widths[i % table->columns], to);
}

static void print_json(const json_t *value, size_t flags)
{
    SU_AUTO_FREE char *text = su_json_text_flags(value, flags | JSON_ENCODE_ANY);
    fputs(text, stdout);
}

void output_json(const json_t *value)
{
    print_json(value, JSON_INDENT(2));
    putchar('\n');
}

void output_list_item(struct output_list *list, const json_t *item)
{
    fputs(list->has_items ? ",\n" : "{\"items\": [\n", stdout);
    print_json(item, JSON_COMPACT);
    list->has_items = true;
}

void output_list_end(const struct output_list *list) { fputs(list->has_items ? "\n]}\n" : "{\"items\": []}\n", stdout); }

const char *output_size(uint64_t bytes, char text[static OUTPUT_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 999.5 && unit + 1 < SU_COUNT(units); unit++)
        size /= 1000;
    if (unit == 0)
        snprintf(text, OUTPUT_TEXT, "%" PRIu64 " B", bytes);
    else
        snprintf(text, OUTPUT_TEXT, size < 99.95 ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return text;
}

const char *output_duration(double seconds, char text[static OUTPUT_TEXT])
{
    if (seconds < 0)
        seconds = 0;
    if (seconds < 60)
        snprintf(text, OUTPUT_TEXT, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(text, OUTPUT_TEXT, "%d min %d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(text, OUTPUT_TEXT, "%ld h %ld min", (long)seconds / 3600, (long)seconds % 3600 / 60);
    return text;
}

const char *output_time(const char *rfc3339, char text[static OUTPUT_TEXT])
{
    int64_t at_ms = 0;
    struct tm local;
    if (!rfc3339 || !su_time_parse(su_str_of(rfc3339), &at_ms)) {
        snprintf(text, OUTPUT_TEXT, "%s", rfc3339 ? rfc3339 : "");
        return text;
    }
    time_t seconds = (time_t)(at_ms / 1000);
    localtime_r(&seconds, &local);
    strftime(text, OUTPUT_TEXT, "%Y-%m-%d %H:%M:%S", &local);
    return text;
}

void output_text(FILE *to, const char *text)
{
    SU_AUTO_FREE char *copy = su_strdup(text ? text : "");
    make_harmless(copy);
    fputs(copy, to);
}

char *output_value(const json_t *value)
{
    if (json_is_string(value))
        return su_strdup(json_string_value(value));
    return value ? su_json_text_flags(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) : su_strdup("");
}

/* The length of a colour sequence (ESC [ digits ; … m) at text, or 0. */
static size_t colour_length(const char *text)
{
    if (text[0] != '\033' || text[1] != '[')
        return 0;
    size_t len = 2 + strspn(text + 2, "0123456789;");
    return text[len] == 'm' ? len + 1 : 0;
}

void output_stream(FILE *to, const char *text)
{
    if (!isatty(fileno(to))) {
        fputs(text, to);
        return;
    }
    while (*text) {
        size_t colour = colour_length(text);
        if (colour) {
            fwrite(text, 1, colour, to);
            text += colour;
            continue;
        }
        unsigned char c = (unsigned char)*text++;
        if (c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t' || c == '\r')
            fputc(c, to);
    }
}
