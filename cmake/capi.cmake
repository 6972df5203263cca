# The C library (cpp/capi), what reads a bundle for it, and what is installed.
enable_language(C)  # for the example in C alone
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# JSON: the system's package (Debian: nlohmann-json3-dev), a header that is there (PyPI's
# nlohmann-json, by CMAKE_INCLUDE_PATH), or from its makers, by its digest.
add_library(dt_json INTERFACE)
find_package(nlohmann_json 3.9 QUIET)
if(nlohmann_json_FOUND)
  get_target_property(dt_json_include nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)
else()
  find_path(DT_JSON_INCLUDE nlohmann/json.hpp)
  if(DT_JSON_INCLUDE)
    set(dt_json_include "${DT_JSON_INCLUDE}")
  else()
    message(STATUS "nlohmann-json: not there (Debian: nlohmann-json3-dev), so it is fetched")
    include(FetchContent)
    FetchContent_Declare(nlohmann_json
      URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
      URL_HASH SHA256=d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
    FetchContent_GetProperties(nlohmann_json)
    if(NOT nlohmann_json_POPULATED)
      FetchContent_Populate(nlohmann_json)
    endif()
    set(dt_json_include "${nlohmann_json_SOURCE_DIR}/include")
  endif()
endif()
target_include_directories(dt_json SYSTEM INTERFACE ${dt_json_include})

# Of little work, so built small; the digest of the weights goes over all of them.
set(dt_capi_small
  cpp/capi/border.cpp
  cpp/capi/bundle.cpp
  cpp/capi/runtime.cpp
  cpp/src/weights/bundle/bundle.cpp
  cpp/src/weights/bundle/json.cpp
  cpp/src/weights/bundle/manifest.cpp
  cpp/src/weights/bundle/safetensors.cpp
  cpp/src/weights/bundle/tar.cpp)
# Everything in the library. Built without TensorRT, which is for Python's package.
add_library(dt_capi_objects OBJECT
  ${dt_capi_small}
  cpp/src/sampler/backend.cpp
  cpp/src/weights/bundle/sha256.cpp)
target_include_directories(dt_capi_objects PUBLIC cpp/capi PRIVATE cpp/include cpp/src)
target_compile_definitions(dt_capi_objects PRIVATE
  DT_BUILDING DT_WITHOUT_TENSORRT DT_VERSION="${PROJECT_VERSION}")
target_link_libraries(dt_capi_objects PRIVATE dt_flags dt_json)
if(NOT MSVC)
  dt_build_small(${dt_capi_small})
  target_compile_options(dt_capi_objects PRIVATE -ffunction-sections -fdata-sections)
endif()
set_target_properties(dt_capi_objects PROPERTIES
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

add_library(diffusiontalker SHARED $<TARGET_OBJECTS:dt_core> $<TARGET_OBJECTS:dt_capi_objects>)
add_library(diffusiontalker_static STATIC
  $<TARGET_OBJECTS:dt_core> $<TARGET_OBJECTS:dt_capi_objects>)
if(NOT WIN32)  # there the shared one's import library has the name
  set_target_properties(diffusiontalker_static PROPERTIES OUTPUT_NAME diffusiontalker)
endif()
set_target_properties(diffusiontalker PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(diffusiontalker PRIVATE dt_flags Threads::Threads)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" AND NOT APPLE AND NOT WIN32)
  target_link_options(diffusiontalker PRIVATE -Wl,--gc-sections
    "-Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map")
  set_target_properties(diffusiontalker PROPERTIES LINK_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map")
endif()
target_compile_definitions(diffusiontalker_static INTERFACE DT_STATIC)
target_link_libraries(diffusiontalker_static PUBLIC Threads::Threads)
foreach(library diffusiontalker diffusiontalker_static)
  target_include_directories(${library} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/cpp/capi>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/diffusiontalker>)
endforeach()
add_library(DiffusionTalker::diffusiontalker ALIAS diffusiontalker)
add_library(DiffusionTalker::diffusiontalker_static ALIAS diffusiontalker_static)

# The example that is installed as a command: it carries the library.
add_executable(wav_to_csv examples/cpp/wav_to_csv.cpp)
target_link_libraries(wav_to_csv PRIVATE dt_flags diffusiontalker_static)
target_compile_definitions(wav_to_csv PRIVATE
  DT_BUNDLE_FOLDER="../${CMAKE_INSTALL_DATADIR}/diffusiontalker/default")
add_executable(wav_to_csv_c examples/c/wav_to_csv.c)
target_link_libraries(wav_to_csv_c PRIVATE dt_flags diffusiontalker)

install(TARGETS diffusiontalker diffusiontalker_static EXPORT DiffusionTalkerTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS wav_to_csv RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES cpp/capi/dt.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/diffusiontalker)
install(DIRECTORY python/diffusiontalker/bundles/default
  DESTINATION ${CMAKE_INSTALL_DATADIR}/diffusiontalker)

set(dt_cmake ${CMAKE_INSTALL_LIBDIR}/cmake/DiffusionTalker)
install(EXPORT DiffusionTalkerTargets NAMESPACE DiffusionTalker:: DESTINATION ${dt_cmake})
configure_package_config_file(cmake/DiffusionTalkerConfig.cmake.in
  "${CMAKE_CURRENT_BINARY_DIR}/DiffusionTalkerConfig.cmake" INSTALL_DESTINATION ${dt_cmake}
  PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/DiffusionTalkerConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/DiffusionTalkerConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/DiffusionTalkerConfigVersion.cmake" DESTINATION ${dt_cmake})
# From the folder of the .pc file up to the prefix, however deep the libraries lie.
file(RELATIVE_PATH DT_PREFIX_FROM_PC "/P/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/P")
configure_file(cmake/diffusiontalker.pc.in "${CMAKE_CURRENT_BINARY_DIR}/diffusiontalker.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/diffusiontalker.pc"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
