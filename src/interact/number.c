/* Numbers as Python writes them.  Layer interact; pure, any thread. */
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "d.ddde±x" with the fewest digits that give the value back. */
static void shortest(double value, char text[static NUMBER_TEXT])
{
    for (int digits = 0; digits < 17; digits++) {
        snprintf(text, NUMBER_TEXT, "%.*e", digits, value);
        if (strtod(text, NULL) == value) /* exact on purpose */
            return;
    }
}

const char *number_text(double value, char text[static NUMBER_TEXT])
{
    char scientific[NUMBER_TEXT];
    shortest(value, scientific);
    char *mark = strchr(scientific, 'e');
    int exponent = (int)strtol(mark + 1, NULL, 10);
    *mark = 0;
    if (exponent < -4 || exponent >= 16) {
        snprintf(text, NUMBER_TEXT, "%.24se%c%02u", scientific, exponent < 0 ? '-' : '+',
                 (unsigned)abs(exponent) % 1000);
        return text;
    }
    int digits = (int)strspn(scientific + (scientific[0] == '-'), "0123456789.");
    int decimals = (digits > 1 ? digits - 2 : 0) - exponent;
    snprintf(text, NUMBER_TEXT, "%.*f", decimals > 0 ? decimals : 1, value);
    return text;
}
