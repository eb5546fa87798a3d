/* Numbers as Python writes them.  Layer interact; pure, any thread. */
#pragma once

enum { NUMBER_TEXT = 40 };
/* repr(float): the shortest digits that read back the same, exponent outside 1e-4 … 1e16; finite values only. */
const char *number_text(double value, char text[static NUMBER_TEXT]);
