/**
 * Charts. Small ones are SVG or a table; what needs uPlot (LiveChart) or roughjs (the xkcd switch) comes lazily.
 *
 * - `LiveChart {stream, fields, by?, range?, onRange?, title?, keys?}`: follows a stream's numbers, with ranges, zoom, pause, table.
 * - `AutoChart {preview}`: the chart a table gets by itself; null when nothing in it is worth one.
 * - `Sparkline {values, label}`: the last values of something; `Histogram {column, sample}`: a column's spread.
 * - `Bars {title, bars, unit?}`, `Line {title, x, lines, isTime?}`: few values.
 */
export {AutoChart} from "./auto";
export {Bars, type Bar} from "./bars";
export {Histogram} from "./histogram";
export {Line, type LineSeries} from "./line";
export {LiveChart, type LiveChartProps} from "./live";
export {Sparkline} from "./sparkline";
