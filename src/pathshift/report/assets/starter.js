// Draws every chart of the page. Expressions are interpreted, not compiled (`ast`), so the page's
// policy need not allow code made from text.
(() => {
  "use strict";
  const options = {
    mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };

  function saveButton(view, id) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Save as SVG";
    button.addEventListener("click", async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" }));
      link.download = id + ".svg";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    return button;
  }

  async function draw(id, spec) {
    const host = document.getElementById("chart-" + id);
    try {
      const { view } = await vegaEmbed(host, spec, options);
      host.closest("figure").append(saveButton(view, id));
    } catch (error) {
      host.textContent = "This chart could not be drawn: " + error.message;
      console.error(error);
    }
  }

  const specs = JSON.parse(document.getElementById("specs").textContent);
  for (const [id, spec] of Object.entries(specs)) draw(id, spec);
})();
