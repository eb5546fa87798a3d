/* One cell of a table: what its text means.  Layer aggregate; pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

/* What a text can be read as; the narrowest wins. */
enum value_class {
    VALUE_NULL,         /* empty, or one of the words that stand for "not known" (those pandas knows) */
    VALUE_INTEGER,      /* fits int64 */
    VALUE_NUMBER,       /* any other finite decimal number */
    VALUE_INFINITE,     /* inf, -Infinity …: a number, but in no sum */
    VALUE_BOOLEAN,      /* true, false, in three spellings each */
    VALUE_DATETIME,     /* 2013-09-05, 2013-09-05T20:30:00.5Z, 2013/09/05 20:30 … */
    VALUE_TEXT,
    VALUE_CLASS_COUNT
};

struct value {
    enum value_class class;
    union {
        int64_t integer;    /* VALUE_INTEGER; VALUE_BOOLEAN: 0 or 1; VALUE_DATETIME: microseconds since 1970 UTC */
        double number;      /* VALUE_NUMBER, VALUE_INFINITE */
    };
};

/* Spaces around a number do not matter. */
struct value value_of(const char *text, size_t len);
/* As value_of for a text known to be one (a JSON string): datetime or text only. */
struct value value_of_string(const char *text, size_t len);
/* How many bytes of a UTF-8 text to keep so that there are at most max and no character is cut. */
size_t value_cut(const char *text, size_t len, size_t max);
