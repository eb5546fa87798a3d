/* One cell of a table: see value.h.  Layer aggregate; pure. */
#include "value.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- words ------------------------------------------------------------ */

static bool is_one_of(const char *text, size_t len, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == len && memcmp(*words, text, len) == 0)
            return true;
    return false;
}

static bool is_null(const char *text, size_t len)
{
    static const char *const words[] = {"NA", "N/A", "NaN", "NULL", "None", "nan", "null", "n/a", "-NaN", "-nan", "<NA>", "#N/A",
                                        "#NA", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", NULL};
    return len >= 2 && len <= 9 && is_one_of(text, len, words);
}

static bool read_boolean(const char *text, size_t len, struct value *ret)
{
    static const char *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False", "FALSE", NULL};
    bool is_yes = len == 4 && is_one_of(text, len, yes);
    if (!is_yes && !(len == 5 && is_one_of(text, len, no)))
        return false;
    *ret = (struct value){.class = VALUE_BOOLEAN, .integer = is_yes};
    return true;
}

static bool read_infinite(const char *text, size_t len, struct value *ret)
{
    static const char *const words[] = {"inf", "Inf", "INF", "infinity", "Infinity", "INFINITY", NULL};
    bool is_negative = text[0] == '-';
    size_t skip = is_negative || text[0] == '+';
    if (len < 3 || len > 9 || !is_one_of(text + skip, len - skip, words))
        return false;
    *ret = (struct value){.class = VALUE_INFINITE, .number = is_negative ? -INFINITY : INFINITY};
    return true;
}

/* --- numbers ---------------------------------------------------------- */

static inline bool is_digit(char c) { return (unsigned)(c - '0') <= 9; }

/* Powers of ten that a double holds exactly: with a mantissa below 2^53 one
 * multiplication or division rounds right (Clinger 1990, "How to read floating
 * point numbers accurately", the fast path). */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double slow_number(const char *text, size_t len)
{
    char copy[512];
    if (len >= sizeof copy)
        len = sizeof copy - 1;  /* more digits than these change no bit that is printed */
    memcpy(copy, text, len);
    copy[len] = '\0';
    return strtod(copy, NULL);
}

/* Digits, a point, an exponent: what was seen on the way. */
struct decimal { uint64_t mantissa; int digits, exponent; bool is_negative, is_whole, is_long; };

static const char *read_digits(const char *at, const char *end, struct decimal *decimal)
{
    for (; at < end && is_digit(*at); at++) {
        if (decimal->digits < 18)
            decimal->mantissa = decimal->mantissa * 10 + (uint64_t)(*at - '0');
        else
            decimal->is_long = true;
        if (decimal->mantissa > 0)
            decimal->digits++;
    }
    return at;
}

static const char *read_exponent(const char *at, const char *end, struct decimal *decimal)
{
    const char *digit = at + 1;
    bool is_negative = digit < end && *digit == '-';
    if (digit < end && (*digit == '-' || *digit == '+'))
        digit++;
    if (digit == end || !is_digit(*digit))
        return at;
    int exponent = 0;
    for (; digit < end && is_digit(*digit); digit++)
        if (exponent < 10000)
            exponent = exponent * 10 + (*digit - '0');
    decimal->exponent += is_negative ? -exponent : exponent;
    decimal->is_whole = false;
    return digit;
}

static bool integer_of(const char *text, size_t len, struct value *ret)
{
    char copy[32];
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    errno = 0;
    long long integer = strtoll(copy, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret = (struct value){.class = VALUE_INTEGER, .integer = integer};
    return true;
}

static bool number_of(const char *text, size_t len, const struct decimal *decimal, struct value *ret)
{
    double number;
    int exponent = decimal->exponent;
    if (!decimal->is_long && decimal->mantissa < (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22) {
        number = (double)decimal->mantissa;
        number = exponent < 0 ? number / powers[-exponent] : number * powers[exponent];
        number = decimal->is_negative ? -number : number;
    } else {
        number = slow_number(text, len);
    }
    *ret = (struct value){.class = isinf(number) ? VALUE_INFINITE : VALUE_NUMBER, .number = number};
    return true;
}

/* Text without spaces around it. */
static bool read_number(const char *text, size_t len, struct value *ret)
{
    const char *at = text, *end = text + len;
    struct decimal decimal = {.is_whole = true};
    if (*at == '-' || *at == '+')
        decimal.is_negative = *at++ == '-';
    const char *whole = at;
    at = read_digits(at, end, &decimal);
    bool has_digits = at > whole;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = read_digits(at, end, &decimal);
        decimal.exponent = (int)(fraction - at);
        decimal.is_whole = false;
        has_digits |= at > fraction;
    }
    if (has_digits && at < end && (*at == 'e' || *at == 'E'))
        at = read_exponent(at, end, &decimal);
    if (!has_digits || at != end)
        return false;
    if (decimal.is_whole && !decimal.is_long) {
        int64_t integer = (int64_t)decimal.mantissa;
        *ret = (struct value){.class = VALUE_INTEGER, .integer = decimal.is_negative ? -integer : integer};
        return true;
    }
    return (decimal.is_whole && integer_of(text, len, ret)) || number_of(text, len, &decimal, ret);
}

/* --- dates and times -------------------------------------------------- */

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(int year, int month, int day)
{
    int shifted = year - (month <= 2);
    int era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int year_of_era = shifted - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

/* `count` digits at *at as a number within [min,max]; moves on. */
static bool read_part(const char **at, const char *end, int count, int min, int max, int *ret)
{
    if (end - *at < count)
        return false;
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit((*at)[i]))
            return false;
        number = number * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *ret = number;
    return number >= min && number <= max;
}

static bool skip_char(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    ++*at;
    return true;
}

/* Z, +01, +0100, +01:00 */
static bool read_zone(const char **at, const char *end, int *ret_minutes)
{
    *ret_minutes = 0;
    if (*at == end || skip_char(at, end, 'Z'))
        return true;
    int sign = skip_char(at, end, '-') ? -1 : 1, hours, minutes = 0;
    if (sign == 1 && !skip_char(at, end, '+'))
        return false;
    if (!read_part(at, end, 2, 0, 23, &hours))
        return false;
    if (*at < end) {
        skip_char(at, end, ':');
        if (!read_part(at, end, 2, 0, 59, &minutes))
            return false;
    }
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

/* hh:mm[:ss[.fraction]][zone] */
static bool read_time(const char **at, const char *end, int64_t *ret_us)
{
    int hour, minute, second = 0, zone;
    int64_t fraction_us = 0;
    if (!read_part(at, end, 2, 0, 23, &hour) || !skip_char(at, end, ':') || !read_part(at, end, 2, 0, 59, &minute))
        return false;
    if (skip_char(at, end, ':')) {
        if (!read_part(at, end, 2, 0, 60, &second))
            return false;
        if (*at < end && (**at == '.' || **at == ',')) {
            const char *digit = ++*at;
            for (int64_t unit = 100000; *at < end && is_digit(**at); ++*at, unit /= 10)
                fraction_us += unit * (**at - '0');
            if (*at == digit)
                return false;
        }
    }
    if (!read_zone(at, end, &zone))
        return false;
    *ret_us = ((int64_t)hour * 3600 + minute * 60 + second - (int64_t)zone * 60) * 1000000 + fraction_us;
    return true;
}

static bool read_datetime(const char *text, size_t len, struct value *ret)
{
    const char *at = text, *end = text + len;
    int year, month, day;
    int64_t time_us = 0;
    if (len < 10 || len > 40 || !read_part(&at, end, 4, 0, 9999, &year))
        return false;
    char separator = *at++;
    if ((separator != '-' && separator != '/') || !read_part(&at, end, 2, 1, 12, &month) || !skip_char(&at, end, separator)
        || !read_part(&at, end, 2, 1, days_in(year, month), &day))
        return false;
    if (at < end && ((*at != 'T' && *at != ' ') || (++at, !read_time(&at, end, &time_us)) || at != end))
        return false;
    *ret = (struct value){.class = VALUE_DATETIME, .integer = days_of(year, month, day) * 86400000000 + time_us};
    return true;
}

/* --- together --------------------------------------------------------- */

struct value value_of_string(const char *text, size_t len)
{
    struct value value = {.class = VALUE_TEXT};
    if (len > 0 && is_digit(text[0]))
        read_datetime(text, len, &value);
    return value;
}

/* Begins like a number: what it may be besides is rarer. */
static void read_numeric(const char *text, size_t len, struct value *ret)
{
    if (!read_number(text, len, ret) && !read_datetime(text, len, ret) && !read_infinite(text, len, ret) && is_null(text, len))
        ret->class = VALUE_NULL;
}

static void read_word(const char *text, size_t len, struct value *ret)
{
    if (len > 9 || strchr("NntTfFiI<#", text[0]) == NULL)
        return;
    if (!read_boolean(text, len, ret) && !read_infinite(text, len, ret) && is_null(text, len))
        ret->class = VALUE_NULL;
}

struct value value_of(const char *text, size_t len)
{
    struct value value = {.class = VALUE_TEXT};
    if (len == 0)
        return (struct value){.class = VALUE_NULL};
    struct su_str bare = {text, len};
    if (text[0] == ' ' || text[len - 1] == ' ' || text[0] == '\t' || text[len - 1] == '\t')
        bare = su_str_trim(bare);
    if (bare.len == 0)
        return value;
    char first = bare.ptr[0];
    if (is_digit(first) || first == '-' || first == '+' || first == '.')
        read_numeric(bare.ptr, bare.len, &value);
    else
        read_word(text, len, &value);
    return value;
}

size_t value_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}
