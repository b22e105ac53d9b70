import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import "@xyflow/react/dist/base.css";
import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/tables.css";
import "./styles/player.css";
import "./styles/graph.css";
import "./styles/charts.css";

// A cookie opens the viewer from now on: the token is to stay neither in the address bar nor in the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname + location.hash);

const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
