import { Node } from "./places.mjs";
import { scenarios } from "./scenarios.mjs";

scenarios("node", async () => new Node());
