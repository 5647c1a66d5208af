import { Chromium } from "./places.mjs";
import { scenarios } from "./scenarios.mjs";

scenarios("chromium", () => Chromium.launch());
