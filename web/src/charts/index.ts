/** Charts. Small ones are SVG; what needs uPlot comes lazily. */
export {AutoChart} from "./auto";
export {Bars} from "./bars";
export {Histogram} from "./histogram";
export {Sparkline} from "./sparkline";
