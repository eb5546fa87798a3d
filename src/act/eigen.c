/* Jacobi's rotations: each makes one pair of entries off the diagonal zero, and sweeps over all pairs make all of them
 * small.  Layer act; pure. */
#include "act/eigen.h"

#include <assert.h>
#include <math.h>

enum { SWEEPS_MAX = 30 };

static double off_diagonal(size_t size, const double *matrix)
{
    double sum = 0;
    for (size_t row = 0; row < size; row++)
        for (size_t column = row + 1; column < size; column++)
            sum += matrix[row * size + column] * matrix[row * size + column];
    return sum;
}

/* Rotate rows and columns p and q so that entry (p, q) becomes zero. */
static void rotate(size_t size, double *matrix, double *vectors, size_t p, size_t q)
{
    double off = matrix[p * size + q];
    if (off == 0)
        return;
    double theta = (matrix[q * size + q] - matrix[p * size + p]) / (2 * off);
    double tangent = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    double cosine = 1 / sqrt(tangent * tangent + 1), sine = tangent * cosine;
    for (size_t i = 0; i < size; i++) {
        double ip = matrix[i * size + p], iq = matrix[i * size + q];
        matrix[i * size + p] = cosine * ip - sine * iq;
        matrix[i * size + q] = sine * ip + cosine * iq;
    }
    for (size_t i = 0; i < size; i++) {
        double pi = matrix[p * size + i], qi = matrix[q * size + i];
        matrix[p * size + i] = cosine * pi - sine * qi;
        matrix[q * size + i] = sine * pi + cosine * qi;
        double vp = vectors[p * size + i], vq = vectors[q * size + i];
        vectors[p * size + i] = cosine * vp - sine * vq;
        vectors[q * size + i] = sine * vp + cosine * vq;
    }
}

static void swap_rows(size_t size, double *values, double *vectors, size_t a, size_t b)
{
    double value = values[a];
    values[a] = values[b];
    values[b] = value;
    for (size_t i = 0; i < size; i++) {
        double entry = vectors[a * size + i];
        vectors[a * size + i] = vectors[b * size + i];
        vectors[b * size + i] = entry;
    }
}

static void make_largest_entry_positive(size_t size, double *vector)
{
    size_t largest = 0;
    for (size_t i = 1; i < size; i++)
        if (fabs(vector[i]) > fabs(vector[largest]))
            largest = i;
    for (size_t i = 0; vector[largest] < 0 && i < size; i++)
        if (i != largest)
            vector[i] = -vector[i];
    vector[largest] = fabs(vector[largest]);
}

void eigen_symmetric(size_t size, double *matrix, double *ret_values, double *ret_vectors)
{
    assert(size >= 1 && size <= EIGEN_SIZE_MAX);
    double trace_of_squares = 0;
    for (size_t row = 0; row < size; row++) {
        trace_of_squares += matrix[row * size + row] * matrix[row * size + row];
        for (size_t column = 0; column < size; column++)
            ret_vectors[row * size + column] = row == column;
    }
    double enough = 1e-24 * (trace_of_squares + off_diagonal(size, matrix));
    for (int sweep = 0; sweep < SWEEPS_MAX && off_diagonal(size, matrix) > enough; sweep++)
        for (size_t p = 0; p < size; p++)
            for (size_t q = p + 1; q < size; q++)
                rotate(size, matrix, ret_vectors, p, q);
    for (size_t row = 0; row < size; row++)
        ret_values[row] = matrix[row * size + row];
    for (size_t row = 0; row < size; row++) {
        size_t largest = row;
        for (size_t other = row + 1; other < size; other++)
            if (ret_values[other] > ret_values[largest])
                largest = other;
        if (largest != row)
            swap_rows(size, ret_values, ret_vectors, row, largest);
        make_largest_entry_positive(size, ret_vectors + row * size);
    }
}
