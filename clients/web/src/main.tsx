import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.tsx";
import "./styles.css";

startRouter();
render(<App />, document.getElementById("root") as HTMLElement);
