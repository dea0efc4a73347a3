# Only to try `colcon build` against ROS's wheels instead of apt's ROS 2:
#   colcon build --cmake-args -DCMAKE_PROJECT_INCLUDE=$PWD/src/whyway_msgs/wheel/colcon.cmake
# The wheels' exported targets name include directories of the machine they were built on (/opt/python/...). CMake refuses
# those; this drops every one that is not here.
function(whyway_drop_missing_includes)
  get_property(targets DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(include ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(include)
      set(kept "")
      foreach(directory IN LISTS include)
        if(directory MATCHES "^\\$<" OR EXISTS "${directory}")
          list(APPEND kept "${directory}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL whyway_drop_missing_includes)
