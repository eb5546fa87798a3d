/** Vega, Vega-Lite and their embedding as one script for the frame. */
import embed from "vega-embed";

Object.assign(window, {vegaEmbed: embed});
