// The commands that can be copied.
import { byId } from "./common.js";

function copy(command, button) {
  const said = (text) => {
    byId("copy-status").textContent = text;
    button.textContent = text;
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  };
  const select = () => {
    getSelection().selectAllChildren(command);
    said("Selected");
  };
  /* Only secure contexts have a clipboard. */
  if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).then(() => said("Copied"), select);
  else select();
}

for (const block of document.querySelectorAll(".command")) {
  const button = block.querySelector("button");
  button.addEventListener("click", () => copy(block.querySelector("pre"), button));
}

